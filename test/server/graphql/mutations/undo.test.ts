import { beforeEach, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { type Caller, useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
const ann = { role: "member", user: "ann" } as const;
const bob = { role: "member", user: "bob" } as const;

let companyId: string;
let dealId: string;

beforeEach(async () => {
  companyId = await crm.create("company", { name: "Acme" }, ann);
  dealId = await crm.create(
    "deal",
    { title: "Engine", companyId, value: "5", stage: "Proposal" },
    ann,
  );
});

async function ask<Data>(query: string, variables = {}, caller: Caller = ann): Promise<Data> {
  const { data, errors } = await crm.graphql<Data>(query, variables, caller);
  expect(errors).toBeUndefined();
  return data as Data;
}

async function refused(query: string, variables = {}, caller: Caller = ann): Promise<unknown> {
  const { errors } = await crm.graphql(query, variables, caller);
  return errors?.[0]?.extensions;
}

const move = (stage: string, caller: Caller) =>
  ask(
    `mutation ($id: ID!, $stage: String!) {
       updateDeal(input: { id: $id, patch: { stage: $stage } }) { deal { id } }
     }`,
    { id: dealId, stage },
    caller,
  );

const undoField = `mutation ($id: ID!, $entry: BigInt!, $onConflict: ConflictResolution) {
  undoField(input: { entityType: deal, entityId: $id, field: "stage", entryId: $entry, onConflict: $onConflict }) {
    reversal { transactionId restored changed deleted kept }
  }
}`;
const undoTransaction = `mutation ($id: BigInt!) {
  undoTransaction(input: { transactionId: $id }) { reversal { transactionId restored changed deleted } }
}`;
const undoEntry = `mutation ($id: BigInt!) { undoEntry(input: { entryId: $id }) { reversal { changed } } }`;
const restore = `mutation ($id: ID!) {
  restoreDeleted(input: { entityType: company, id: $id }) { reversal { restored changed kept } }
}`;

interface Told {
  deal: {
    fieldHistory: {
      nodes: {
        value: string;
        validUntil: string | null;
        setBy: string;
        source: string;
        entryId: string;
      }[];
    };
    stageHistory: { nodes: { stage: string; leftAt: string | null; duration: { days: number } }[] };
    history: { nodes: { entryId: string; transactionId: string }[] };
  };
}
const told = `query ($id: ID!) {
  deal(id: $id) {
    fieldHistory(field: "stage", orderBy: VALID_FROM_ASC) { nodes { value validUntil setBy source entryId } }
    stageHistory(orderBy: ENTRY_ID_ASC) { nodes { stage leftAt duration { days } } }
    history(orderBy: TIMESTAMP_ASC) { nodes { entryId transactionId } }
  }
}`;

test("a deal tells the values of a field and its time in each stage", async () => {
  await move("Won", bob);
  const { deal } = await ask<Told>(told, { id: dealId });
  expect(deal.fieldHistory.nodes).toEqual([
    expect.objectContaining({
      value: "Proposal",
      validUntil: expect.any(String),
      setBy: "ann",
      source: "api",
    }),
    expect.objectContaining({ value: "Won", validUntil: null, setBy: "bob", source: "api" }),
  ]);
  expect(deal.stageHistory.nodes).toEqual([
    { stage: "Proposal", leftAt: deal.fieldHistory.nodes[0]?.validUntil, duration: { days: 0 } },
    { stage: "Won", leftAt: null, duration: { days: 0 } },
  ]);
  expect(
    await refused(
      `query ($id: ID!) { deal(id: $id) { fieldHistory(field: "x") { totalCount } } }`,
      { id: dealId },
    ),
  ).toEqual({
    code: "VALIDATION_ERROR",
    constraint: "audit_logs_field_known",
    fields: { field: [expect.any(String)] },
  });
});

test("an undo that would overwrite later work is a conflict with its list; force is for administrators", async () => {
  await move("Won", ann);
  await move("Lost", bob);
  const { deal } = await ask<Told>(told, { id: dealId });
  const entry = deal.fieldHistory.nodes[1]?.entryId;
  expect(await refused(undoField, { id: dealId, entry })).toEqual({
    code: "CONFLICT",
    count: 1,
    conflicts: [
      {
        entityType: "deal",
        entityId: dealId,
        field: "stage",
        expected: "Won",
        found: "Lost",
        changedBy: "bob",
        changedAt: expect.any(String),
      },
    ],
  });
  expect(await refused(undoField, { id: dealId, entry, onConflict: "FORCE" })).toEqual({
    code: "FORBIDDEN",
  });
  await ask(undoField, { id: dealId, entry, onConflict: "FORCE" }, { role: "admin", user: "root" });
  const { deal: after } = await ask<{ deal: { stage: string; updatedBy: string } }>(
    "query ($id: ID!) { deal(id: $id) { stage updatedBy } }",
    { id: dealId },
  );
  expect(after).toEqual({ stage: "Proposal", updatedBy: "root" });
});

test("an undo can leave what was changed since, and says what and how much", async () => {
  await move("Won", ann);
  await move("Lost", bob);
  const { deal } = await ask<Told>(told, { id: dealId });
  const [, won] = deal.history.nodes;
  const skip = `mutation ($id: BigInt!, $onConflict: ConflictResolution) {
    undoTransaction(input: { transactionId: $id, onConflict: $onConflict }) {
      reversal { changed kept keptCount }
    }
  }`;
  const variables = { id: won?.transactionId, onConflict: "SKIP" };
  expect(await ask(skip, variables)).toEqual({
    undoTransaction: {
      reversal: {
        changed: "0",
        keptCount: "1",
        kept: [expect.objectContaining({ field: "stage", changedBy: "bob" })],
      },
    },
  });
  expect(await refused(skip, { ...variables, onConflict: "REFUSE" })).toMatchObject({
    code: "CONFLICT",
  });
  expect(await refused(skip, { ...variables, onConflict: null })).toMatchObject({
    code: "CONFLICT",
  });
  const { errors } = await crm.graphql(skip, { ...variables, onConflict: "MERGE" }, ann);
  expect(errors?.[0]).toMatchObject({
    message: expect.stringContaining("onConflict"),
    extensions: { code: "VALIDATION_ERROR" },
  });
});

test("what cannot be undone says so", async () => {
  const root = { role: "admin", user: "root" } as const;
  await ask("mutation { setTrashRetention(input: { days: 30 }) { clientMutationId } }", {}, root);
  await ask("mutation { setTrashRetention(input: { days: 31 }) { clientMutationId } }", {}, root);
  await ask(
    `mutation { purgeTrash(input: { olderThan: { days: 0 } }) { clientMutationId } }`,
    {},
    root,
  );
  const { auditLogs } = await ask<{
    auditLogs: { nodes: { entryId: string; entityType: string }[] };
  }>(
    `{ auditLogs(filter: { entityType: { in: [setting, audit_log] } }) { nodes { entryId entityType } } }`,
    {},
    root,
  );
  expect(auditLogs.nodes.length).toBeGreaterThan(0);
  for (const { entryId } of auditLogs.nodes) {
    expect(await refused(undoEntry, { id: entryId }, root)).toEqual({
      code: "VALIDATION_ERROR",
      constraint: "audit_logs_action_reversible",
      fields: { entryId: [expect.any(String)] },
    });
  }
});

test("an id that was merged is followed, and its history is that of the one that is left", async () => {
  const one = await crm.create("contact", { firstName: "Ada", lastName: "L" }, ann);
  const other = await crm.create("contact", { firstName: "A", lastName: "L" }, bob);
  await ask(
    `mutation ($one: ID!, $other: ID!) {
       mergeContacts(input: { winner: $one, losers: [$other] }) { clientMutationId }
     }`,
    { one, other },
    { role: "member", user: "cy" },
  );
  const follow = `query ($id: ID!) {
    contact(id: $id) { id }
    mergedInto(entityType: contact, id: $id)
    contactMergedInto(id: $id) { id history { nodes { entityId action } } }
    companyMergedInto(id: $id) { id }
  }`;
  for (const caller of [bob, { role: "reader", user: "eve" } as const]) {
    expect(await ask(follow, { id: other }, caller)).toEqual({
      contact: null,
      mergedInto: one,
      contactMergedInto: {
        id: one,
        history: {
          nodes: [
            { entityId: other, action: "delete" },
            { entityId: other, action: "create" },
            { entityId: one, action: "create" },
          ],
        },
      },
      companyMergedInto: null,
    });
  }
  expect(await refused(`{ mergedInto(entityType: deal, id: "${one}") }`)).toMatchObject({
    code: "VALIDATION_ERROR",
    fields: { entityType: [expect.any(String)] },
  });
});

test("an entry and a transaction are undone by their ids; what is none is not found", async () => {
  await move("Won", ann);
  const { deal } = await ask<Told>(told, { id: dealId });
  const { entryId: id, transactionId } = deal.history.nodes[1] ?? {};
  expect(await ask(undoEntry, { id })).toEqual({ undoEntry: { reversal: { changed: "1" } } });
  expect(await refused(undoTransaction, { id: transactionId })).toMatchObject({ code: "CONFLICT" });
  await move("Won", ann);
  expect(await ask(undoTransaction, { id: transactionId })).toMatchObject({
    undoTransaction: { reversal: { changed: "1" } },
  });
  expect(await refused(undoTransaction, { id: "1" })).toEqual({
    code: "NOT_FOUND",
    entityType: "transaction",
    id: "1",
  });
  expect(await refused(undoEntry, { id: "987654321" })).toMatchObject({
    code: "NOT_FOUND",
  });
  expect(await refused("mutation { undoEntry(input: {}) { clientMutationId } }")).toEqual({
    code: "VALIDATION_ERROR",
    constraint: "argument_not_null",
    fields: { entryId: ["is required"] },
  });
  expect(await refused(undoEntry, { id: "1" }, { role: "reader", user: "rita" })).toEqual({
    code: "FORBIDDEN",
  });
});

test("the trash lists what its asker deleted, and gives it back", async () => {
  await ask("mutation ($id: ID!) { deleteCompany(input: { id: $id }) { clientMutationId } }", {
    id: companyId,
  });
  const trash =
    "{ trash(orderBy: DELETED_AT_DESC) { nodes { entityType entityId label deletedBy cascadedRows } } }";
  const item = {
    entityType: "company",
    entityId: companyId,
    label: "Acme",
    deletedBy: "ann",
    cascadedRows: "1",
  };
  expect(await ask(trash)).toEqual({ trash: { nodes: [item] } });
  expect(await ask(trash, {}, bob)).toEqual({ trash: { nodes: [] } });
  expect(await refused(restore, { id: companyId }, bob)).toEqual({
    code: "NOT_FOUND",
    entityType: "company",
    id: companyId,
  });
  expect(await ask(restore, { id: companyId })).toEqual({
    restoreDeleted: { reversal: { restored: "2", changed: "0", kept: [] } },
  });
  expect(await refused(restore, { id: companyId })).toEqual({
    code: "CONSTRAINT_VIOLATION",
    constraint: "trash_id_deleted",
    fields: { id: ["is not deleted, or was restored already"] },
  });
  expect(await ask(trash)).toEqual({ trash: { nodes: [] } });
});

test("entities and the pipeline are read as they were", async () => {
  const at = await withConnection(crm.database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ at: string }>("select to_json(clock_timestamp()) as at");
    return rows[0]?.at;
  });
  await move("Won", ann);
  const query = `query ($id: ID!, $company: ID!, $at: Datetime!) {
    dealAsOf(id: $id, at: $at) { entityId asOf stage version companyId }
    companyAsOf(id: $company, at: "2001-01-01T00:00:00Z") { name }
    pipelineAsOf(at: $at) { nodes { stage count value valueByCurrency } }
  }`;
  const { dealAsOf, companyAsOf, pipelineAsOf } = await ask<Record<string, unknown>>(query, {
    id: dealId,
    company: companyId,
    at,
  });
  expect(dealAsOf).toMatchObject({ entityId: dealId, stage: "Proposal", version: 1, companyId });
  expect(new Date((dealAsOf as { asOf: string }).asOf)).toEqual(new Date(String(at)));
  expect(companyAsOf).toBeNull();
  expect((pipelineAsOf as { nodes: unknown[] }).nodes).toContainEqual(
    expect.objectContaining({ stage: "Proposal", count: expect.stringMatching(/^[1-9]/) }),
  );
});
