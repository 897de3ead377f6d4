import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import { examine } from "../../../server/doctor/doctor.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  withRollback,
} from "../../helpers/database.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  await client.query("set lock_timeout = '3s'");
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

const person = async (name: string) => {
  const { rows } = await client.query<{ id: string }>(
    "insert into crm.contacts (first_name, last_name) values ($1, 'Byron') returning id",
    [name],
  );
  return rows[0]?.id ?? "";
};

describe("what keeps the audit log can be held by the owner only", () => {
  test("advisory locks that anybody takes stop neither sealing, erasing, purging nor maintenance", () =>
    withConnection(database.ownerUrl, async (other) => {
      await other.query("set role crm_reporter");
      for (const name of [
        "seal_audit_log",
        "erase_contact",
        "ensure_audit_partitions",
        "purge_trash",
      ]) {
        await other.query("select pg_advisory_lock(hashtext($1))", [`crm_private.${name}`]);
      }
      const id = await person("Ada");
      const { rows } = await client.query("select crm_private.seal_audit_log() > 0 as sealed");
      expect(rows).toEqual([{ sealed: true }]);
      await client.query("select crm.erase_contact($1)", [id]);
      await client.query("select crm.purge_trash('1 day')");
      await client.query("select crm_private.maintain_audit_log()");
      await client.query("select crm.audit_log_digest()");
    }));

  test.each(["crm_reporter", "crm_reader", "crm_member", "crm_admin", "crm_server"] as const)(
    "%s cannot lock what they lock",
    (role) =>
      withRollback(async (session) => {
        for (const statement of [
          "select from crm_private.audit_log_progress for share",
          "lock table crm_private.audit_log_progress in access share mode",
          "lock table crm_private.erasure_lock in access share mode",
          "lock table crm.audit_logs in share mode",
        ]) {
          await session.query("savepoint attempt");
          await asRole(session, role, "ann");
          await expect(session.query(statement)).rejects.toMatchObject({ code: "42501" });
          await session.query("rollback to savepoint attempt");
        }
      }),
  );
});

test("how long entries wait to be sealed is known, and an hour is a finding", () =>
  withRollback(async (session) => {
    const seconds = async () => {
      const { rows } = await session.query<{ seconds: number }>(
        "select crm_private.unsealed_seconds() as seconds",
      );
      return rows[0]?.seconds ?? NaN;
    };
    await session.query("select crm_private.seal_audit_log()");
    expect(await seconds()).toBe(0);
    await session.query("insert into crm.companies (name) values ('Acme')");
    expect(await seconds()).toBeGreaterThan(0);
    expect(await seconds()).toBeLessThan(600);
    await session.query("set session_replication_role = replica");
    await session.query(
      `insert into crm.audit_logs (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
       select entity_type, entity_id, action, user_id, changes, now() - interval '2 hours', transaction_id, source
       from crm.audit_logs order by id desc limit 1`,
    );
    await session.query(
      "delete from crm.audit_logs where \"timestamp\" > now() - interval '1 hour'",
    );
    await session.query("reset session_replication_role");
    expect(await examine(session)).toContainEqual(
      expect.stringMatching(/^the audit log has not been sealed for 1\d\d minutes/),
    );
  }));

test("a member who says to be a bulk write leaves no row out of erasure's reach", async () => {
  const id = await person("Mallory");
  await client.query("begin");
  await asRole(client, "crm_member", "mallory");
  await client.query("select set_config('crm.bulk', 'contacts 1', true)");
  await client.query("insert into crm.contacts (first_name, last_name) values ('Secret', ' ')");
  await client.query("commit");
  const left = async () =>
    (await client.query("select item from crm_private.faulty_rows")).rowCount;
  expect(await left()).toBe(1);
  await client.query("select crm.erase_contact($1)", [id]);
  expect(await left()).toBe(0);
});
