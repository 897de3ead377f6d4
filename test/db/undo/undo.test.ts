import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import {
  createTestDatabase,
  type RequestRole,
  type TestDatabase,
  untilBlocked,
} from "../../helpers/database.ts";
import { describe as describeError, outcome, type Refusal } from "../../helpers/refusal.ts";

/*
 * Undo is about what others committed before and meanwhile, so these tests commit, in a database of
 * their own. Actors are done as ann, who is a member, unless a test says otherwise.
 */

interface Reversal {
  transaction_id: string;
  restored: string;
  changed: string;
  deleted: string;
  kept: unknown[];
}

interface Conflict {
  entityType: string;
  entityId: string;
  field: string;
  expected: unknown;
  found: unknown;
  changedBy: string;
}

const companyId = "11111111-1111-4111-8111-111111111111";
const dealId = "22222222-2222-4222-8222-222222222222";
const contactId = "33333333-3333-4333-8333-333333333333";
const taskId = "44444444-4444-4444-8444-444444444444";

let database: TestDatabase;
let owner: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  owner = await connect(database.ownerUrl);
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

beforeEach(async () => {
  await owner.query(
    `delete from crm.companies;
     delete from crm.contacts;
     delete from crm.custom_field_definitions;
     delete from crm.pipeline_stages where position > 5;
     insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
     values ('size', 'Size', 'deal', 'enum', '{S,M,L}');
     insert into crm.companies (id, name) values ('${companyId}', 'Acme');
     insert into crm.contacts (id, first_name, last_name, company_id)
     values ('${contactId}', 'Ada', 'Lovelace', '${companyId}');
     insert into crm.deals (id, title, company_id, contact_id, value, stage, custom_fields)
     values ('${dealId}', 'Engine', '${companyId}', '${contactId}', 5, 'Proposal', '{"size": "M"}');
     insert into crm.tasks (id, description, entity_type, entity_id)
     values ('${taskId}', 'Call', 'deal', '${dealId}')`,
  );
});

/** Does something in a transaction of its own, in somebody's name, and gives the transaction's id. */
async function as(
  user: string,
  role: RequestRole,
  statements: string | (() => Promise<unknown>),
  client = owner,
): Promise<string> {
  await client.query("begin");
  try {
    await client.query("select set_config('role', $1, true), set_config('crm.user_id', $2, true)", [
      role,
      user,
    ]);
    await (typeof statements === "string" ? client.query(statements) : statements());
    const { rows } = await client.query<{ id: string }>("select pg_current_xact_id()::text as id");
    await client.query("commit");
    return rows[0]?.id ?? "";
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

const ann = (statements: string) => as("ann", "crm_member", statements);
const bob = (statements: string) => as("bob", "crm_member", statements);

/** Calls a function of the API in a transaction of its own. */
async function call(
  text: string,
  values: unknown[],
  {
    user = "ann",
    role = "crm_member",
    client = owner,
  }: { user?: string; role?: RequestRole; client?: pg.Client } = {},
): Promise<Reversal> {
  let result: Reversal | undefined;
  await as(
    user,
    role,
    async () => {
      result = (await client.query<Reversal>(`select * from crm.${text}`, values)).rows[0];
    },
    client,
  );
  if (result === undefined) throw new Error("nothing was undone");
  return result;
}

const undo = (id: string, options?: Parameters<typeof call>[2]) =>
  call("undo_transaction($1)", [id], options);
const force = (id: string) =>
  call("undo_transaction($1, 'FORCE')", [id], { user: "root", role: "crm_admin" });

async function refused(work: Promise<unknown>): Promise<Refusal & { conflicts: Conflict[] }> {
  try {
    await work;
  } catch (error) {
    const refusal = describeError(error);
    const { conflicts = [] } = (refusal.fields ?? {}) as unknown as { conflicts?: Conflict[] };
    return { ...refusal, conflicts };
  }
  throw new Error("was not refused");
}

async function entryOf(transactionId: string, entityId: string): Promise<string> {
  const { rows } = await owner.query<{ id: string }>(
    "select id from crm.audit_logs where transaction_id = $1 and entity_id = $2 order by id desc",
    [transactionId, entityId],
  );
  return rows[0]?.id ?? "";
}

async function row(table: string, id: string): Promise<Record<string, unknown> | undefined> {
  const { rows } = await owner.query<Record<string, unknown>>(
    `select * from crm.${table} where id = $1`,
    [id],
  );
  return rows[0];
}

describe("a field", () => {
  const undoField = (field: string, entry: string, options?: Parameters<typeof call>[2]) =>
    call("undo_field('deal', $1, $2, $3)", [dealId, field, entry], options);

  test("goes back to the value that it had before an entry; other fields stay", async () => {
    const done = await ann("update crm.deals set stage = 'Won', title = 'Engine 2'");
    await bob("update crm.deals set owner_id = 'bob'");
    const entry = await entryOf(done, dealId);
    expect(await undoField("stage", entry)).toMatchObject({ changed: "1", kept: [] });
    expect(await row("deals", dealId)).toMatchObject({
      stage: "Proposal",
      title: "Engine 2",
      owner_id: "bob",
      version: 4,
      updated_by: "ann",
    });
    const { rows } = await owner.query(
      "select changes from crm.audit_logs where entity_id = $1 order by id desc limit 1",
      [dealId],
    );
    expect(rows).toEqual([
      {
        changes: {
          stage: { old: "Won", new: "Proposal" },
          // What follows from the stage goes with it.
          closed_at: { old: expect.any(String), new: null },
          probability: { old: 100, new: 50 },
          "@undoes": { field: "stage", entries: [Number(entry)] },
        },
      },
    ]);
  });

  test.each(["customFields.size", "custom_fields.size"])("may be %s", async (field) => {
    const done = await ann("update crm.deals set custom_fields = '{}'");
    await undoField(field, await entryOf(done, dealId));
    expect(await row("deals", dealId)).toMatchObject({ custom_fields: { size: "M" } });
  });

  test.each(["contactId", "contact_id"])("may be %s", async (field) => {
    const done = await ann("update crm.deals set contact_id = null");
    await undoField(field, await entryOf(done, dealId));
    expect(await row("deals", dealId)).toMatchObject({ contact_id: contactId });
  });

  test("that was changed since is left, with who set what", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    await bob("update crm.deals set stage = 'Lost'");
    const entry = await entryOf(done, dealId);
    expect(await refused(undoField("stage", entry))).toMatchObject({
      code: "CRM02",
      constraint: "audit_logs_changes_current",
      conflicts: [
        {
          entityType: "deal",
          entityId: dealId,
          field: "stage",
          expected: "Won",
          found: "Lost",
          changedBy: "bob",
        },
      ],
    });
    expect(await row("deals", dealId)).toMatchObject({ stage: "Lost", version: 3 });
  });

  test("that was changed since is overwritten when an administrator forces it", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    await bob("update crm.deals set stage = 'Lost'");
    const entry = await entryOf(done, dealId);
    const forced = "undo_field('deal', $1, 'stage', $2, 'FORCE')";
    expect(await refused(call(forced, [dealId, entry]))).toMatchObject({ code: "42501" });
    await call(forced, [dealId, entry], { user: "root", role: "crm_admin" });
    expect(await row("deals", dealId)).toMatchObject({ stage: "Proposal" });
    const { rows } = await owner.query(
      "select changes -> '@undoes' -> 'forced' as forced from crm.audit_logs order by id desc limit 1",
    );
    expect(rows).toEqual([{ forced: true }]);
  });

  test("that the entry did not change, nor a later one, is left as it is", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    const entry = await entryOf(done, dealId);
    expect(await undoField("title", entry)).toMatchObject({ changed: "0" });
    expect(await row("deals", dealId)).toMatchObject({ version: 2 });
  });

  test("is refused where the entry, the row or the name is none", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    const entry = await entryOf(done, dealId);
    expect(await refused(undoField("stage", "987654321"))).toMatchObject({ code: "P0002" });
    expect(
      await refused(call("undo_field('deal', $1, 'stage', $2)", [companyId, entry])),
    ).toMatchObject({ code: "P0002" });
    for (const field of ["nonsense", "version", "customFields", "updated_at", ""]) {
      expect(await refused(undoField(field, entry))).toMatchObject({
        code: "23514",
        constraint: "audit_logs_field_known",
        fields: { field: [expect.any(String)] },
      });
    }
    expect(
      await refused(call("undo_field('Deal', $1, 'stage', $2)", [dealId, entry])),
    ).toMatchObject({ code: "23514", constraint: "audit_logs_entity_type_known" });
    expect(await refused(call("undo_field('deal', $1, 'stage', null)", [dealId]))).toMatchObject({
      code: "23514",
      fields: { entryId: ["is required"] },
    });
  });

  test("has no value before the entry that created its row", async () => {
    const { rows } = await owner.query<{ id: string }>(
      "select id from crm.audit_logs where entity_id = $1 and action = 'create' order by id desc",
      [dealId],
    );
    expect(await refused(undoField("stage", rows[0]?.id ?? ""))).toMatchObject({
      code: "23514",
      constraint: "audit_logs_action_update",
    });
  });
});

describe("an entry", () => {
  const undoEntry = (entry: string, options?: Parameters<typeof call>[2]) =>
    call("undo_entry($1)", [entry], options);

  test("of an update is reversed field by field", async () => {
    const done = await ann(
      "update crm.deals set value = 7, stage = 'Won', custom_fields = '{\"size\": \"L\"}'",
    );
    await undoEntry(await entryOf(done, dealId));
    expect(await row("deals", dealId)).toMatchObject({
      value: "5.00",
      stage: "Proposal",
      custom_fields: { size: "M" },
      version: 3,
    });
  });

  test("of a create is reversed by deleting the row, unless it was changed or used since", async () => {
    const done = await ann("insert into crm.companies (name) values ('Bolt')");
    const { rows } = await owner.query<{ id: string }>(
      "select id from crm.companies where name = 'Bolt'",
    );
    const id = rows[0]?.id ?? "";
    const entry = await entryOf(done, id);

    await bob(`update crm.companies set name = 'Bolts' where id = '${id}'`);
    expect((await refused(undoEntry(entry))).conflicts).toMatchObject([
      { entityType: "company", field: "name", expected: "Bolt", found: "Bolts", changedBy: "bob" },
    ]);
    await ann(`update crm.companies set name = 'Bolt' where id = '${id}'`);

    await bob(`update crm.deals set company_id = '${id}'`);
    await bob(
      `insert into crm.notes (content, entity_type, entity_id) values ('Hm', 'company', '${id}')`,
    );
    expect((await refused(undoEntry(entry))).conflicts).toMatchObject([
      { entityType: "deal", entityId: dealId, field: "companyId", expected: null, found: id },
      { entityType: "note", field: "entityId", expected: null, found: id, changedBy: "bob" },
    ]);
    await ann(`update crm.deals set company_id = '${companyId}'; delete from crm.notes`);

    expect(await undoEntry(entry)).toMatchObject({ deleted: "1" });
    expect(await row("companies", id)).toBeUndefined();
  });

  test("of a delete is reversed by bringing the row back as it was", async () => {
    const before = await row("tasks", taskId);
    const done = await ann("delete from crm.tasks");
    const entry = await entryOf(done, taskId);
    expect(await undoEntry(entry)).toMatchObject({ restored: "1" });
    expect(await row("tasks", taskId)).toEqual({
      ...before,
      version: 2,
      updated_at: expect.any(Date),
    });
    expect((await refused(undoEntry(entry))).conflicts).toMatchObject([
      { entityType: "task", entityId: taskId, field: "id", expected: null, found: taskId },
    ]);
  });

  test("that does not exist is not found", async () => {
    expect(await refused(undoEntry("987654321"))).toMatchObject({
      code: "P0002",
      fields: { entityType: "audit_log", ids: ["987654321"] },
    });
    expect(await refused(call("undo_entry(null)", []))).toMatchObject({
      code: "23514",
      fields: { entryId: ["is required"] },
    });
  });

  test("that has been erased cannot be undone, nor a transaction that has one", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    const entry = await entryOf(done, dealId);
    await owner.query("update crm.audit_logs set changes = '{}', erased_at = now() where id = $1", [
      entry,
    ]);
    const erased = { code: "23514", constraint: "audit_logs_changes_erased" };
    expect(await refused(undoEntry(entry))).toMatchObject({
      ...erased,
      fields: { entryId: [expect.any(String)] },
    });
    expect(await refused(undo(done))).toMatchObject({
      ...erased,
      fields: { transactionId: [expect.any(String)] },
    });
    expect(
      await refused(call("undo_field('deal', $1, 'stage', $2)", [dealId, entry])),
    ).toMatchObject(erased);
  });
});

describe("a transaction", () => {
  test("is undone in the right order, across entity types", async () => {
    const done = await ann(
      `insert into crm.companies (name) values ('Bolt');
       update crm.deals set company_id = (select id from crm.companies where name = 'Bolt');
       insert into crm.notes (content, entity_type, entity_id) values ('Hm', 'deal', '${dealId}');
       delete from crm.companies where name = 'Acme';
       update crm.contacts set first_name = 'Augusta'`,
    );
    expect(await undo(done)).toMatchObject({ restored: "1", changed: "2", deleted: "2" });
    expect(await row("companies", companyId)).toMatchObject({ name: "Acme" });
    expect(await row("deals", dealId)).toMatchObject({ company_id: companyId });
    expect(await row("contacts", contactId)).toMatchObject({
      first_name: "Ada",
      company_id: companyId,
    });
    const { rows } = await owner.query("select name from crm.companies");
    expect(rows).toEqual([{ name: "Acme" }]);
  });

  test("is undone with what each row undoes in the audit log, which nobody can pretend", async () => {
    const done = await ann(
      "update crm.deals set stage = 'Won'; update crm.deals set stage = 'Lost'",
    );
    const { transaction_id } = await undo(done);
    const { rows } = await owner.query<{ undoes: unknown }>(
      "select changes -> '@undoes' as undoes from crm.audit_logs where transaction_id = $1",
      [transaction_id],
    );
    expect(rows).toEqual([
      {
        undoes: { transactionId: Number(done), entries: [expect.any(Number), expect.any(Number)] },
      },
    ]);

    const pretended = await ann(
      `select set_config('crm.reversing', pg_current_xact_id()::text, true);
       update crm.deals set stage = 'Won'`,
    );
    const { rows: entries } = await owner.query<{ changes: object }>(
      "select changes from crm.audit_logs where transaction_id = $1",
      [pretended],
    );
    expect(entries).toEqual([
      { changes: expect.objectContaining({ stage: { old: "Proposal", new: "Won" } }) },
    ]);
    expect(Object.keys(entries[0]?.changes ?? {})).not.toContain("@undoes");
    expect(
      await refused(
        ann(
          `insert into crm_private.reversals
           values (pg_current_xact_id()::text::bigint, 'deal', '${dealId}', null, null, '{}')`,
        ),
      ),
    ).toMatchObject({ code: "42501" });
  });

  test("that undoes can be undone, again and again", async () => {
    const done = await ann("update crm.deals set stage = 'Won'; delete from crm.tasks");
    let last = done;
    for (const [stage, there] of [
      ["Proposal", true],
      ["Won", false],
      ["Proposal", true],
    ] as const) {
      last = (await undo(last)).transaction_id;
      expect(await row("deals", dealId)).toMatchObject({ stage });
      expect((await row("tasks", taskId)) !== undefined).toBe(there);
    }
  });

  test("leaves no trace of a row that it created and deleted again", async () => {
    const done = await ann(
      "insert into crm.companies (name) values ('Bolt'); delete from crm.companies where name = 'Bolt'",
    );
    expect(await undo(done)).toMatchObject({ restored: "0", changed: "0", deleted: "0" });
  });

  test("is refused whole where one field of one row was changed since, with all conflicts", async () => {
    await owner.query(
      `insert into crm.deals (title, company_id, value, stage)
       select 'D' || i, '${companyId}', i, 'Proposal' from generate_series(1, 150) as i`,
    );
    const done = await ann("update crm.deals set stage = 'Won'");
    await bob("update crm.deals set stage = 'Lost' where title like 'D%'");
    const { conflicts, detail, code } = await refused(undo(done));
    expect(code).toBe("CRM02");
    expect(conflicts).toHaveLength(100);
    expect(JSON.parse(detail ?? "")).toMatchObject({ count: 150 });
    expect(await row("deals", dealId)).toMatchObject({ stage: "Won" });
    expect(await force(done)).toMatchObject({ changed: "151" });
    const { rows } = await owner.query("select distinct stage from crm.deals");
    expect(rows).toEqual([{ stage: "Proposal" }]);
  });

  test("is undone where other fields of its rows were changed since", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    await bob("update crm.deals set title = 'Engine 2', custom_fields = '{\"size\": \"L\"}'");
    await undo(done);
    expect(await row("deals", dealId)).toMatchObject({
      stage: "Proposal",
      title: "Engine 2",
      custom_fields: { size: "L" },
    });
  });

  test("names a row that is gone, or is there again, as a conflict about its id", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    await bob("delete from crm.deals");
    expect((await refused(undo(done))).conflicts).toMatchObject([
      { entityType: "deal", field: "id", expected: dealId, found: null, changedBy: "bob" },
    ]);
    expect(await force(done)).toMatchObject({ restored: "0" });
  });

  test("that would break a rule of today is refused like any write, nothing half done", async () => {
    await ann("update crm.deals set custom_fields = '{}'");
    const filled = await ann(
      `update crm.companies set name = 'Acme 2';
       update crm.deals set custom_fields = '{"size": "L"}'`,
    );
    await owner.query("update crm.custom_field_definitions set required = true");
    expect(await refused(undo(filled))).toMatchObject({
      code: "23514",
      constraint: "deals_custom_fields_required",
      fields: { "customFields.size": ["is required"] },
    });
    expect(await row("companies", companyId)).toMatchObject({ name: "Acme 2" });
  });

  test("of which nothing has a place any more is refused with the field and the value", async () => {
    const gone = await ann("delete from crm.deals");
    await ann("delete from crm.companies");
    expect(await refused(undo(gone))).toMatchObject({
      code: "23503",
      constraint: "deals_company_id_exists",
      fields: { companyId: [`"${companyId}" is not the id of a company`] },
    });
  });

  test("is not found where there is none", async () => {
    expect(await refused(undo("1"))).toMatchObject({
      code: "P0002",
      fields: { entityType: "transaction", ids: ["1"] },
    });
  });

  test("can be undone within the transaction that goes on", async () => {
    await as("ann", "crm_member", async () => {
      await owner.query("update crm.deals set stage = 'Won'");
      await owner.query("select crm.undo_transaction(pg_current_xact_id()::text::bigint)");
      await owner.query("update crm.deals set title = 'Engine 2'");
    });
    const { rows } = await owner.query<{ changes: Record<string, unknown> }>(
      "select changes from crm.audit_logs where entity_id = $1 order by id desc limit 2",
      [dealId],
    );
    expect(rows.map(({ changes }) => Object.keys(changes).sort())).toEqual([
      ["title"],
      ["@undoes", "closed_at", "probability", "stage"],
    ]);
  });
});

describe("definitions and stages", () => {
  const admin = (statements: string) => as("root", "crm_admin", statements);
  const asAdmin = { user: "root", role: "crm_admin" as const };
  const definitions = async () =>
    (
      await owner.query<Record<string, unknown>>(
        "select name, required, enum_values from crm.custom_field_definitions order by name",
      )
    ).rows;

  test("a deleted definition comes back with the values that went with it", async () => {
    const before = await definitions();
    const done = await admin("delete from crm.custom_field_definitions");
    expect(await row("deals", dealId)).toMatchObject({ custom_fields: {} });
    expect(await undo(done, asAdmin)).toMatchObject({ restored: "1", changed: "1" });
    expect(await definitions()).toEqual(before);
    expect(await row("deals", dealId)).toMatchObject({ custom_fields: { size: "M" } });
  });

  test("so does one that every row must have a value for", async () => {
    await owner.query("update crm.custom_field_definitions set required = true");
    const before = await definitions();
    const done = await admin("delete from crm.custom_field_definitions");
    await undo(done, asAdmin);
    expect(await definitions()).toEqual(before);
    expect(await row("deals", dealId)).toMatchObject({ custom_fields: { size: "M" } });
  });

  test("an enum that was changed together with its rows goes back, either way round", async () => {
    const widened = await admin(
      `update crm.custom_field_definitions set enum_values = '{S,M,L,XL}';
       update crm.deals set custom_fields = '{"size": "XL"}'`,
    );
    await undo(widened, asAdmin);
    expect(await row("deals", dealId)).toMatchObject({ custom_fields: { size: "M" } });
    const narrowed = await admin(
      `update crm.deals set custom_fields = '{"size": "L"}';
       update crm.custom_field_definitions set enum_values = '{L}'`,
    );
    await undo(narrowed, asAdmin);
    expect(await row("deals", dealId)).toMatchObject({ custom_fields: { size: "M" } });
    expect(await definitions()).toMatchObject([{ enum_values: ["S", "M", "L"] }]);
  });

  test("a definition that was created goes, unless others gave it values since", async () => {
    const create = `insert into crm.custom_field_definitions (name, label, entity_type, field_type, required)
      values ('note', 'Note', 'company', 'text', false)`;
    const done = await admin(
      `${create}; update crm.companies set custom_fields = '{"note": "a"}';
       update crm.custom_field_definitions set required = true where name = 'note'`,
    );
    expect(await undo(done, asAdmin)).toMatchObject({ deleted: "1" });
    expect(await row("companies", companyId)).toMatchObject({ custom_fields: {} });

    const again = await admin(create);
    await bob('update crm.companies set custom_fields = \'{"note": "b"}\'');
    expect((await refused(undo(again, asAdmin))).conflicts).toMatchObject([
      { entityType: "company", field: "customFields.note", expected: null, found: "b" },
    ]);
  });

  test("a renamed stage gets its name back, and its deals with it", async () => {
    const done = await admin(
      "update crm.pipeline_stages set name = 'Offer' where name = 'Proposal'",
    );
    expect(await row("deals", dealId)).toMatchObject({ stage: "Offer" });
    await undo(done, asAdmin);
    expect(await row("deals", dealId)).toMatchObject({ stage: "Proposal" });
  });

  test("a stage that was created for deals goes after them, a deleted one comes before them", async () => {
    const done = await admin(
      `insert into crm.pipeline_stages (name) values ('Demo'); update crm.deals set stage = 'Demo'`,
    );
    await undo(done, asAdmin);
    expect(await row("deals", dealId)).toMatchObject({ stage: "Proposal" });
    const moved = await admin(
      `update crm.deals set stage = 'Won'; delete from crm.pipeline_stages where name = 'Proposal'`,
    );
    await undo(moved, asAdmin);
    expect(await row("deals", dealId)).toMatchObject({ stage: "Proposal" });
  });

  test("members can undo neither", async () => {
    for (const statement of [
      "update crm.custom_field_definitions set label = 'Other'",
      "update crm.pipeline_stages set probability = 1 where name = 'Proposal'",
      "insert into crm.pipeline_stages (name) values ('Demo')",
    ]) {
      const done = await admin(statement);
      expect(await refused(undo(done))).toMatchObject({ code: "42501" });
    }
    await owner.query("update crm.pipeline_stages set probability = 50 where name = 'Proposal'");
  });
});

describe("who may undo", () => {
  test("readers nothing", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    const reader = { user: "rita", role: "crm_reader" as const };
    expect(await refused(undo(done, reader))).toMatchObject({ code: "42501" });
    expect(await refused(call("undo_entry(1)", [], reader))).toMatchObject({ code: "42501" });
    expect(
      await refused(call("undo_field('deal', $1, 'stage', 1)", [dealId], reader)),
    ).toMatchObject({ code: "42501" });
    expect(await refused(call("restore_deleted('deal', $1)", [dealId], reader))).toMatchObject({
      code: "42501",
    });
  });

  test("members what others changed, but not what others deleted", async () => {
    const changed = await bob("update crm.deals set stage = 'Won'");
    await undo(changed);
    expect(await row("deals", dealId)).toMatchObject({ stage: "Proposal", updated_by: "ann" });
    const deleted = await bob("delete from crm.tasks");
    expect(await refused(undo(deleted))).toMatchObject({ code: "42501" });
    expect(await undo(deleted, { user: "bob" })).toMatchObject({ restored: "1" });
  });

  test("members cannot force, administrators can", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    for (const call_ of ["undo_transaction($1, 'FORCE')", "undo_entry($1, 'FORCE')"]) {
      const id = call_.startsWith("undo_entry") ? await entryOf(done, dealId) : done;
      expect(await refused(call(call_, [id]))).toMatchObject({ code: "42501" });
    }
    await force(done);
  });

  test("nobody can call what the functions of the API are made of", async () => {
    for (const statement of [
      "select crm_private.plan_reversal(1, null, '{}', '')",
      "select crm_private.carry_out_reversal('SKIP')",
      "select crm_private.reverse_rows('deal', 'delete')",
      "select * from crm_private.reversals",
    ]) {
      expect(await refused(as("root", "crm_admin", statement))).toMatchObject({ code: "42501" });
    }
  });
});

describe("at once", () => {
  let first: pg.Client;
  let second: pg.Client;
  beforeAll(async () => {
    first = await connect(database.ownerUrl);
    second = await connect(database.ownerUrl);
  });
  afterAll(() => Promise.all([first.end(), second.end()]));

  /** Runs the first up to its commit, lets the second wait for it, and gives how the second ended. */
  async function race(one: string, other: string): Promise<Refusal | "done"> {
    await first.query("begin");
    await first.query(one);
    const waiter = outcome(second.query(other));
    await untilBlocked(database.ownerUrl, second);
    await first.query("commit");
    return waiter;
  }

  test("of two that undo the same, one does, the other finds it done", async () => {
    for (const statement of ["update crm.deals set stage = 'Won'", "delete from crm.tasks"]) {
      const done = await ann(statement);
      const call_ = `select crm.undo_transaction(${done})`;
      expect(await race(call_, call_)).toMatchObject({ code: "CRM02" });
    }
    await ann("delete from crm.companies");
    const restore = `select crm.restore_deleted('company', '${companyId}')`;
    expect(await race(restore, restore)).toMatchObject({ code: "23505" });
    expect(await row("deals", dealId)).toMatchObject({ stage: "Proposal" });
  });

  test("an undo waits for a concurrent update and does not overwrite it", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    expect(
      await race("update crm.deals set stage = 'Lost'", `select crm.undo_transaction(${done})`),
    ).toMatchObject({ code: "CRM02" });
    expect(await row("deals", dealId)).toMatchObject({ stage: "Lost" });
  });

  test("an update waits for a concurrent undo, and both stay", async () => {
    const done = await ann("update crm.deals set stage = 'Won'");
    expect(
      await race(`select crm.undo_transaction(${done})`, "update crm.deals set title = 'Engine 2'"),
    ).toBe("done");
    expect(await row("deals", dealId)).toMatchObject({ stage: "Proposal", title: "Engine 2" });
  });

  test("what is attached to a row while its creation is undone is not lost without a word", async () => {
    const done = await ann("insert into crm.companies (name) values ('Bolt')");
    expect(
      await race(
        `update crm.deals set company_id = (select id from crm.companies where name = 'Bolt')`,
        `select crm.undo_transaction(${done})`,
      ),
    ).toMatchObject({ code: "CRM02" });
    expect(await row("deals", dealId)).toBeDefined();
  });
});

test("ten thousand rows are undone as readily as one, also where plans were made for few", async () => {
  await owner.query(
    `insert into crm.deals (title, company_id, value, stage)
     select 'D' || i, '${companyId}', i, 'Proposal' from generate_series(1, 10000) as i`,
  );
  const done = await ann("update crm.deals set stage = 'Won'");
  expect(await undo(done)).toMatchObject({ changed: "10001" });
  const { rows } = await owner.query("select distinct stage from crm.deals");
  expect(rows).toEqual([{ stage: "Proposal" }]);

  const gone = await ann("delete from crm.companies");
  expect(await undo(gone)).toMatchObject({ restored: "10003" });
  expect(await owner.query("select from crm.deals where version = 4")).toMatchObject({
    rowCount: 10001,
  });
}, 180_000);
