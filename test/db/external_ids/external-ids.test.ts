import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import { asRole, createTestDatabase, untilBlocked, withRollback } from "../../helpers/database.ts";
import { outcome, refusal } from "../../helpers/refusal.ts";

const add = `
  insert into crm.contacts (first_name, last_name, external_ids)
  select 'Ada', $1, external_ids
  from jsonb_populate_record(null::crm.contacts, jsonb_build_object('external_ids', $2::jsonb))
  returning id`;

async function create(client: pg.ClientBase, name: string, ...ids: string[]): Promise<string> {
  const given = JSON.stringify(ids.map((id) => ({ source: "hub", id })));
  const { rows } = await client.query<{ id: string }>(add, [name, given]);
  return rows[0]?.id ?? "";
}

async function find(client: pg.ClientBase, id: string): Promise<string | null> {
  const { rows } = await client.query<{ name: string | null }>(
    "select last_name as name from crm.contact_by_external_id('hub', $1)",
    [id],
  );
  return rows[0]?.name ?? null;
}

/** The column and the look-up say the same of every row. */
async function expectConsistent(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query(`
    (
      select 'contact', own.source, own.id, contact.id
      from crm.contacts as contact cross join unnest(external_ids) as own
      except
      table crm_private.external_ids
    )
    union all
    (
      table crm_private.external_ids
      except
      select 'contact', own.source, own.id, contact.id
      from crm.contacts as contact cross join unnest(external_ids) as own
    )`);
  expect(rows).toEqual([]);
}

test("a row is found by each of its external ids, by readers too", () =>
  withRollback(async (client) => {
    await create(client, "A", "1", "2");
    await create(client, "B");
    await asRole(client, "crm_reader", "ada");
    expect(await find(client, "1")).toBe("A");
    expect(await find(client, "2")).toBe("A");
    expect(await find(client, "3")).toBeNull();
  }));

test("an external id is of one row of its entity type", () =>
  withRollback(async (client) => {
    await create(client, "A", "1");
    const given = JSON.stringify([
      { source: "hub", id: "0" },
      { source: "hub", id: "1" },
    ]);
    expect(await refusal(client, add, ["B", given])).toMatchObject({
      code: "23505",
      constraint: "contacts_external_ids_taken",
      column: "external_ids",
      fields: { "externalIds.1": ['{"id": "1", "source": "hub"} belongs to another contact'] },
    });
    await client.query(
      `insert into crm.companies (name, external_ids)
       values ('Acme', array[('hub', '1')::crm.external_id])`,
    );
  }));

test("what a row loses, or is deleted with, another can have", () =>
  withRollback(async (client) => {
    const a = await create(client, "A", "1", "2");
    await client.query("update crm.contacts set external_ids = external_ids[1:1] where id = $1", [
      a,
    ]);
    await create(client, "B", "2");
    await client.query("delete from crm.contacts where id = $1", [a]);
    await create(client, "C", "1");
    expect([await find(client, "1"), await find(client, "2")]).toEqual(["C", "B"]);
    await expectConsistent(client);
  }));

describe("the rules of external ids", () => {
  const id = (source: string | null, id: string | null) => ({ source, id });
  test.each([
    [[id("hub", "")], { "externalIds.0": ["must have a source and an id"] }],
    [[id("a", "1"), id(null, "x")], { "externalIds.1": ["must have a source and an id"] }],
    [
      [id("x".repeat(101), "1")],
      { "externalIds.0": ["must have a source of at most 100 characters and an id of at most 255"] },
    ],
    [
      [id("x", "1".repeat(256))],
      { "externalIds.0": ["must have a source of at most 100 characters and an id of at most 255"] },
    ],
    [[id("a", "1"), id("a", "1")], { externalIds: ["must not contain an external id twice"] }],
    [
      Array.from({ length: 21 }, (_, i) => id("a", `${i}`)),
      { externalIds: ["must be a list of at most 20 external ids, none of them null"] },
    ],
  ])("%j", (given, fields) =>
    withRollback(async (client) => {
      expect(await refusal(client, add, ["A", JSON.stringify(given)])).toMatchObject({
        code: "23514",
        fields,
      });
    }),
  );
});

test("a merge unites them, and undoing it parts them again", () =>
  withRollback(async (client) => {
    const a = await create(client, "A", "1");
    const b = await create(client, "B", "2", "3");
    await client.query("savepoint before");
    await client.query("select crm.merge_contacts($1, array[$2::uuid])", [a, b]);
    expect(await find(client, "3")).toBe("A");
    await expectConsistent(client);
    await client.query(
      `select crm.undo_entry(id) from (
         select id from crm.audit_logs where action <> 'create' order by id desc
       ) as entry`,
    );
    expect([await find(client, "1"), await find(client, "3")]).toEqual(["A", "B"]);
    await expectConsistent(client);
  }));

test("a merge refuses an external id of a third row that it is told to give the winner", () =>
  withRollback(async (client) => {
    const a = await create(client, "A", "1");
    const b = await create(client, "B", "2");
    await create(client, "C", "3");
    expect(
      await refusal(client, "select crm.merge_contacts($1, array[$2::uuid], $3)", [
        ...[a, b, JSON.stringify({ externalIds: [{ source: "hub", id: "3" }] })],
      ]),
    ).toMatchObject({ code: "23505", constraint: "contacts_external_ids_taken" });
  }));

test("a row comes back with its external ids, but for those that another has by now", () =>
  withRollback(async (client) => {
    const a = await create(client, "A", "1");
    await client.query("delete from crm.contacts");
    await client.query("savepoint deleted");
    await client.query("select crm.restore_deleted('contact', $1)", [a]);
    expect(await find(client, "1")).toBe("A");
    await client.query("rollback to savepoint deleted");
    await create(client, "B", "1");
    const { rows } = await client.query<{ kept: unknown }>(
      "select kept from crm.restore_deleted('contact', $1)",
      [a],
    );
    expect(rows).toEqual([
      { kept: [expect.objectContaining({ entityId: a, field: "externalIds" })] },
    ]);
    expect(await find(client, "1")).toBe("B");
    const { rows: restored } = await client.query(
      "select external_ids::text as ids from crm.contacts where id = $1",
      [a],
    );
    expect(restored).toEqual([{ ids: "{}" }]);
  }));

test("what is looked up is asked for by the key, however many external ids there are", () =>
  withRollback(async (client) => {
    await client.query(
      `insert into crm.contacts (first_name, last_name, external_ids)
       select 'Ada', 'Known ' || i, array[row('hub', i::text)::crm.external_id]
       from generate_series(1, 3000) as i`,
    );
    await client.query("analyze crm.contacts, crm_private.external_ids");
    await client.query("set local track_functions = 'all'");
    await asRole(client, "crm_member", "ada");
    const upsert = async (rows: object[]) =>
      client.query("select * from crm_private.write_rows('contact', 'upsert', $1, 'VALID_ONLY')", [
        JSON.stringify(rows),
      ]);
    /** How often the policy of the look-up was asked for something. */
    const asked = async (work: () => Promise<unknown>) => {
      const count = async () => {
        const { rows } = await client.query<{ calls: number }>(
          `select coalesce(sum(calls), 0)::int as calls from pg_stat_xact_user_functions
           where funcname = 'is_readable'`,
        );
        return rows[0]?.calls ?? 0;
      };
      const before = await count();
      await work();
      return (await count()) - before;
    };
    const row = (id: number, more: object = {}) => ({
      external_id: { source: "hub", id: String(id) },
      ...{ first_name: "Ada", last_name: "Upserted" },
      ...more,
    });
    expect(await asked(() => upsert([row(7)]))).toBeLessThan(10);
    expect(await asked(() => find(client, "7"))).toBeLessThan(10);
    const hundred = Array.from({ length: 100 }, (_, i) => row(i + 1));
    expect(await asked(() => upsert(hundred))).toBeLessThan(1000);
    // One of them wants the external id of another row, which is found out row by row, too.
    const taken = row(9001, { external_ids: [{ source: "hub", id: "2000" }] });
    expect(await asked(() => upsert([...hundred, taken]))).toBeLessThan(2000);
    expect(await find(client, "2000")).toBe("Known 2000");
  }));

test("nobody writes the look-up by hand", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_admin", "ada");
    for (const statement of [
      "insert into crm_private.external_ids values ('contact', 'a', 'b', gen_random_uuid())",
      "update crm_private.external_ids set id = 'x'",
      "delete from crm_private.external_ids",
    ]) {
      expect(await refusal(client, statement)).toMatchObject({ code: "42501" });
    }
  }));

test("of two who want one external id at once exactly one gets it", async () => {
  const database = await createTestDatabase();
  const [first, second] = [await connect(database.ownerUrl), await connect(database.ownerUrl)];
  try {
    await first.query("begin");
    await create(first, "First", "1");
    const waiter = outcome(create(second, "Second", "1"));
    await untilBlocked(database.ownerUrl, second);
    await first.query("commit");
    expect(await waiter).toMatchObject({ constraint: "contacts_external_ids_taken" });

    await second.query("begin isolation level repeatable read");
    await second.query("select from crm.contacts");
    await create(first, "Third", "2");
    expect(await outcome(create(second, "Fourth", "2"))).toMatchObject({ code: "40001" });
    await second.query("rollback");

    const id = await create(first, "Erased", "secret-of-ada");
    await first.query("analyze crm.contacts, crm_private.external_ids");
    await first.query("select crm.erase_contact($1)", [id]);
    const { rows } = await first.query(
      `select from crm_private.external_ids where id = 'secret-of-ada'
       union all select from crm.audit_logs where changes::text like '%secret-of-ada%'
       union all select from pg_stats where concat(most_common_vals, histogram_bounds) like '%secret-of-ada%'`,
    );
    expect(rows).toEqual([]);
    await expectConsistent(first);
  } finally {
    await Promise.all([first.end(), second.end()]);
    await database.drop();
  }
});
