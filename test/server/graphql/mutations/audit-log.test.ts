import { expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

const verdictFields = "intact fault entryId message entries unsealed archived keptSince digest";

interface Verdict {
  intact: boolean;
  fault: string | null;
  entryId: string | null;
  digest: string;
}

async function verify(digest?: string): Promise<Verdict> {
  const { data, errors } = await crm.graphql<{ verifyAuditLog: Verdict }>(
    `query ($digest: String) { verifyAuditLog(digest: $digest) { ${verdictFields} } }`,
    { digest },
  );
  expect(errors).toBeUndefined();
  if (!data) throw new Error("There is no answer.");
  return data.verifyAuditLog;
}

test("an administrator takes a digest, and later verifies the audit log by it", async () => {
  await crm.create("company", { name: "Acme" });
  const { data } = await crm.graphql<{ auditLogDigest: string }>("{ auditLogDigest }");
  const digest = data?.auditLogDigest ?? "";
  expect(await verify()).toMatchObject({ intact: true, unsealed: "0", digest });

  await crm.create("company", { name: "Bolt" });
  const sound = await verify(digest);
  expect(sound).toMatchObject({ intact: true, fault: null, entryId: null, keptSince: null });
  expect(sound.digest).not.toBe(digest);

  await withConnection(crm.database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      "update crm.audit_logs set user_id = 'mallory' where id = 7 returning id",
    );
    expect(await verify(digest)).toMatchObject({
      intact: false,
      fault: "altered",
      entryId: rows[0]?.id,
    });
    await client.query("update crm.audit_logs set user_id = 'tester' where id = 7");
    expect(await verify(digest)).toMatchObject({ intact: true });
  });
});

test("a digest that is none is refused, by its field", async () => {
  const { errors } = await crm.graphql('{ verifyAuditLog(digest: "x") { intact } }');
  expect(errors?.[0]?.extensions).toEqual({
    code: "VALIDATION_ERROR",
    constraint: "verify_audit_log_digest_format",
    fields: { digest: ["is not a digest that auditLogDigest returns"] },
  });
});

test("an administrator erases a contact, and the entry that records it is the answer", async () => {
  const id = await crm.create("contact", { firstName: "Zeb", lastName: "Quixby" });
  const erase = (target: string) =>
    crm.graphql(
      `mutation ($id: ID!) {
        eraseContact(input: { id: $id }) { auditLog { action entityId userId changes } }
      }`,
      { id: target },
    );
  const erased = {
    eraseContact: { auditLog: { action: "erase", entityId: id, userId: "tester", changes: {} } },
  };
  expect((await erase(id)).data).toEqual(erased);
  expect((await erase(id)).data).toEqual(erased);
  const absent = "00000000-0000-0000-0000-000000000001";
  expect((await erase(absent)).errors?.[0]?.extensions).toEqual({
    code: "NOT_FOUND",
    entityType: "contact",
    id: absent,
  });
});

test("an administrator purges the trash, and sets for how long it is kept", async () => {
  const id = await crm.create("company", { name: "Gone" });
  await crm.graphql(
    "mutation ($id: ID!) { deleteCompany(input: { id: $id }) { clientMutationId } }",
    {
      id,
    },
  );
  expect(
    (await crm.graphql("mutation { purgeTrash(input: { olderThan: { days: 1 } }) { result } }"))
      .data,
  ).toEqual({ purgeTrash: { result: 0 } });
  expect(
    (await crm.graphql("mutation { purgeTrash(input: { olderThan: { days: 0 } }) { result } }"))
      .data,
  ).toEqual({ purgeTrash: { result: 1 } });
  expect(
    (await crm.graphql("mutation { setTrashRetention(input: { days: 7 }) { result } }")).data,
  ).toEqual({ setTrashRetention: { result: 7 } });
  expect((await crm.graphql("{ trashRetentionDays }", {}, { role: "reader" })).data).toEqual({
    trashRetentionDays: 7,
  });
  const refused = await crm.graphql(
    "mutation { purgeTrash(input: { olderThan: { hours: -1 } }) { result } }",
  );
  expect(refused.errors?.[0]?.extensions).toMatchObject({
    code: "VALIDATION_ERROR",
    fields: { olderThan: ["must not be negative"] },
  });
});

test.each([
  "{ auditLogDigest }",
  "{ verifyAuditLog { intact } }",
  "mutation { purgeTrash(input: {}) { result } }",
  "mutation { setTrashRetention(input: { days: 1 }) { result } }",
  'mutation { eraseContact(input: { id: "00000000-0000-0000-0000-000000000001" }) { clientMutationId } }',
])("a member may not %s", async (query) => {
  const { errors } = await crm.graphql(query, {}, { role: "member" });
  expect(errors?.[0]?.extensions.code).toBe("FORBIDDEN");
});

test("a history says whether it is complete, and the audit log from when on it is kept", async () => {
  await crm.create("company", { name: "Acme" });
  const ask = () =>
    crm.graphql<{ auditLogKeptSince: string | null; companies: unknown }>(
      '{ auditLogKeptSince companies(filter: { name: { equalTo: "Acme" } }, first: 1) { nodes { historyIsComplete } } }',
      {},
      { role: "reader" },
    );
  expect((await ask()).data).toEqual({
    auditLogKeptSince: null,
    companies: { nodes: [{ historyIsComplete: true }] },
  });
  await withConnection(crm.database.ownerUrl, (client) =>
    client.query(
      `select crm_private.log_event(
         'audit_log', 'archive', '{"before": "2100-01-01T00:00:00Z", "ids": "{}"}', now()
       )`,
    ),
  );
  expect((await ask()).data).toEqual({
    auditLogKeptSince: "2100-01-01T00:00:00.000000+00:00",
    companies: { nodes: [{ historyIsComplete: false }] },
  });
});
