import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { connect, withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { createActors, type Actors, refused } from "../../helpers/actors.ts";

/* Erasing a person erases whoever was merged into them. Each person has a mark of their own in every value. */

let database: TestDatabase;
let client: pg.Client;
let actors: Actors;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await connect(database.ownerUrl);
  actors = createActors(client);
  await client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     values ('nickname', 'Nickname', 'contact', 'text')`,
  );
});
afterAll(async () => {
  await client.end();
  await database.drop();
});
beforeEach(() => client.query("delete from crm.companies; delete from crm.contacts"));

let last = 0;
/** A person whose values all hold the mark `Qx<n>x`, with a task and a note. */
async function person(): Promise<{ id: string; mark: string }> {
  last += 1;
  const mark = `Qx${last}x`;
  const { rows } = await client.query<{ id: string }>(
    `insert into crm.contacts (first_name, last_name, emails, phones, custom_fields, external_ids)
     values ($1, $1, array[$1 || '@' || $1 || '.org'], array['+49 ' || $1],
       jsonb_build_object('nickname', $1), array[row('erp', $1)::crm.external_id])
     returning id`,
    [mark],
  );
  const id = rows[0]?.id ?? "";
  await client.query(
    "insert into crm.tasks (description, entity_type, entity_id) values ($2, 'contact', $1)",
    [id, mark],
  );
  await client.query(
    "insert into crm.notes (content, entity_type, entity_id) values ($2, 'contact', $1)",
    [id, mark],
  );
  return { id, mark };
}

async function merge(winner: { id: string }, ...losers: { id: string }[]): Promise<string> {
  const { rows } = await client.query<{ transaction_id: string }>(
    "select transaction_id from crm.merge_contacts($1, $2)",
    [winner.id, losers.map(({ id }) => id)],
  );
  return rows[0]?.transaction_id ?? "";
}

const undo = async (transaction: string) =>
  (await actors.call("undo_transaction($1)", [transaction])).transaction_id;
const erase = ({ id }: { id: string }) => client.query("select crm.erase_contact($1)", [id]);

/** Every table of ours that holds a mark. */
async function holders(mark: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relkind = 'r' and relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)`,
  );
  const held = await client.query<{ name: string }>(
    rows
      .map(({ name }) => `select '${name}' as name from ${name} as r where r::text ~* '${mark}'`)
      .join(" union "),
  );
  return held.rows.map(({ name }) => name);
}

async function expectIntact(): Promise<void> {
  const { rows } = await client.query("select * from crm.verify_audit_log()");
  expect(rows[0]).toMatchObject({ intact: true });
}

const exists = async ({ id }: { id: string }) =>
  (await client.query("select from crm.contacts where id = $1", [id])).rowCount === 1;

test("whoever was merged into a person goes with them, through any chain", async () => {
  const [a, b, c, d] = [await person(), await person(), await person(), await person()];
  await merge(c, d);
  await merge(b, c);
  await merge(a, b);
  await erase(a);
  for (const { mark } of [a, b, c, d]) expect(await holders(mark)).toEqual([]);
  const { rows } = await client.query("select from crm.trash where entity_type = 'contact'");
  expect(rows).toEqual([]);
  for (const { id } of [b, c, d]) {
    expect(await refused(actors.call("restore_deleted('contact', $1)", [id]))).toMatchObject({
      constraint: "audit_logs_changes_erased",
    });
  }
  await expectIntact();
});

test("the id of who was merged stands for the person", async () => {
  const [a, b] = [await person(), await person()];
  await merge(a, b);
  const erased = await client.query("select entity_id, action from crm.erase_contact($1)", [b.id]);
  expect(erased.rows).toEqual([{ entity_id: b.id, action: "erase" }]);
  expect(await exists(a)).toBe(false);
  for (const { mark } of [a, b]) expect(await holders(mark)).toEqual([]);
  await erase(a);
  await erase(b);
});

test("a merge that was undone and done again counts, one that was undone does not", async () => {
  const [a, b, c] = [await person(), await person(), await person()];
  const undone = await undo(await merge(a, b));
  await undo(await merge(a, c));
  await undo(undone);
  expect(await exists(b)).toBe(false);
  await erase(a);
  expect(await exists(c)).toBe(true);
  for (const { mark } of [a, b]) expect(await holders(mark)).toEqual([]);
  expect(await holders(c.mark)).toEqual(
    expect.arrayContaining(["crm.contacts", "crm.tasks", "crm.notes"]),
  );
  await erase(c);
  expect(await holders(c.mark)).toEqual([]);
  await expectIntact();
});

test("who was part of another for a time leaves nothing in that one's history", async () => {
  const [a, b, c] = [await person(), await person(), await person()];
  const first = await merge(b, a);
  await client.query("update crm.contacts set phones = phones || '1'::text where id = $1", [b.id]);
  await client.query("update crm.contacts set phones = array_remove(phones, '1') where id = $1", [
    b.id,
  ]);
  const second = await merge(c, b);
  await undo(second);
  await undo(first);
  await erase(a);
  expect(await holders(a.mark)).toEqual([]);
  expect(await exists(b)).toBe(true);
  expect(await exists(c)).toBe(true);
  await client.query("update crm.contacts set first_name = 'New' where id = $1", [b.id]);
  const { rows } = await client.query(
    "select (crm.contact_as_of(id, clock_timestamp())).first_name from crm.contacts where id = $1",
    [b.id],
  );
  expect(rows).toEqual([{ first_name: "New" }]);
  await expectIntact();
});

test("neither a purge nor an archive nor a deletion of the winner hides who was merged", async () => {
  const [a, b, c] = [await person(), await person(), await person()];
  await merge(b, c);
  await client.query("select crm.purge_trash('0')");
  await merge(a, b);
  await client.query("delete from crm.contacts where id = $1", [a.id]);
  await client.query("select crm.purge_trash('0')");
  // A month that ended, and was detached.
  await client.query(
    `create table crm_private.audit_logs_2020_01 (like crm.audit_logs including all);
     insert into crm_private.audit_logs_2020_01
       (id, entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
     overriding system value
     select id, entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source
     from crm.audit_logs where entity_id = '${c.id}'`,
  );
  await client.query("delete from crm.audit_logs where entity_id = $1", [c.id]);
  await erase(a);
  for (const { mark } of [a, b, c]) expect(await holders(mark)).toEqual([]);
  await client.query("drop table crm_private.audit_logs_2020_01");
});

test("nobody can pretend that a merge was made", async () => {
  const [a, b] = [await person(), await person()];
  await actors.ann("select crm_private.record_merge('contact', $1, $2)", [a.id, [b.id]]);
  await actors.ann("delete from crm.contacts where id = $1", [b.id]);
  await actors.ann("select crm_private.record_merge('contact', $1, $2)", [a.id, [b.id]]);
  const { rowCount } = await client.query("select from crm_private.merges where loser_id = $1", [
    b.id,
  ]);
  expect(rowCount).toBe(0);
});

test("whatever was merged, undone and changed before, an erased person occurs nowhere, others stay", async () => {
  const step = fc.oneof(
    fc.tuple(fc.constant("merge" as const), fc.nat(3), fc.nat(3)),
    fc.tuple(fc.constant("undo" as const), fc.nat(5), fc.nat(0)),
    fc.tuple(fc.constant("change" as const), fc.nat(3), fc.nat(0)),
    fc.tuple(fc.constant("purge" as const), fc.nat(0), fc.nat(0)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.nat(3), async (steps, chosen) => {
      const people = [await person(), await person(), await person(), await person()];
      const undoable: string[] = [];
      /** Who is part of whom, as the steps say. */
      const attempt = async (work: () => Promise<string>) => {
        const done = await work().catch((error: unknown) => {
          if (!(error instanceof Error)) throw error;
          return undefined; // gone, erased, purged or in conflict: refused like any
        });
        if (done !== undefined) undoable.push(done);
      };
      for (const [kind, one, other] of steps) {
        const [first, second] = [people[one], people[other]];
        if (kind === "merge" && first && second && first !== second) {
          await attempt(() => merge(first, second));
        } else if (kind === "undo" && undoable[one] !== undefined) {
          const transaction = undoable[one];
          await attempt(() => undo(transaction));
        } else if (kind === "change" && first) {
          await client.query(
            "update crm.contacts set first_name = first_name || '!' where id = $1",
            [first.id],
          );
        } else if (kind === "purge") {
          await client.query("select crm.purge_trash('0')");
        }
      }
      const target = people[chosen] ?? { id: "", mark: "" };
      const { rows } = await client.query<{ id: string }>(
        "select unnest(crm_private.merged_ids('contact', coalesce(crm.merged_into('contact', $1), $1))) as id",
        [target.id],
      );
      const group = new Set(rows.map(({ id }) => id));
      const there = new Set(
        (await client.query<{ id: string }>("select id from crm.contacts")).rows.map(
          ({ id }) => id,
        ),
      );
      await erase(target);
      for (const { id, mark } of people) {
        if (group.has(id)) expect({ mark, held: await holders(mark) }).toEqual({ mark, held: [] });
        else expect(await exists({ id })).toBe(there.has(id));
      }
      await expectIntact();
    }),
    { numRuns: 60 },
  );
}, 120_000);

describe("beside others", () => {
  /*
   * An erasure holds nothing that others wait for while it waits for them, so it is never part of a
   * deadlock, whatever order they lock in.
   */
  test("an erasure meets no deadlock, however often", async () => {
    const rounds = 25;
    const clients = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const one = await connect(database.ownerUrl);
        await one.query("set deadlock_timeout = '50ms'; set lock_timeout = '20s'");
        return one;
      }),
    );
    // The others may lock each other's rows in any order: one of them locks upside down.
    const { processID } = clients[0] as unknown as { processID: number };
    // Not its number alone, which a transaction may have, too.
    const isEraser = new RegExp(`process ${processID}\\b`, "i");
    const deadlocks: string[] = [];
    const tell = (work: Promise<unknown>) =>
      work.catch((error: unknown) => {
        const { code, detail = "" } = error as { code?: string; detail?: string };
        if (code === "40P01" && isEraser.test(detail)) deadlocks.push(detail);
      });
    for (let round = 0; round < rounds; round += 1) {
      const [a, b, other] = [await person(), await person(), await person()];
      await client.query("insert into crm.companies (name) values ('Acme')");
      await client.query(
        `insert into crm.deals (title, company_id, contact_id, value, stage)
         select 'D' || i, company.id, $1, 1, 'Won' from crm.companies as company, generate_series(1, 10) as i`,
        [a.id],
      );
      await client.query(
        `insert into crm.tasks (description, entity_type, entity_id)
         select 'T' || i, 'contact', $1 from generate_series(1, 10) as i`,
        [a.id],
      );
      const done = await actors.ann(
        "update crm.contacts set last_name = 'X'; update crm.tasks set description = description || '!'",
      );
      const { rows } = await client.query<{ id: string }>(
        "select id from crm.audit_logs where transaction_id = $1 and entity_id = $2",
        [done, a.id],
      );
      const [c1, c2, c3, c4, c5] = clients as [
        pg.Client,
        pg.Client,
        pg.Client,
        pg.Client,
        pg.Client,
      ];
      await Promise.all([
        c1.query("select crm.erase_contact($1)", [a.id]),
        tell(c2.query("select crm.undo_field('contact', $1, 'lastName', $2)", [a.id, rows[0]?.id])),
        tell(
          round % 2 === 0
            ? c3.query("update crm.contacts set owner_id = 'bob'; ")
            : c3.query(
                `begin; select from crm.tasks order by id desc for update;
                 update crm.tasks set assigned_to = 'bob'; update crm.contacts set owner_id = 'x'; commit`,
              ),
        ),
        tell(
          round % 3 === 0
            ? c4.query("delete from crm.companies")
            : c4.query("select crm.undo_transaction($1)", [done]),
        ),
        tell(
          round % 2 === 0
            ? c5.query("select crm.merge_contacts($1, $2)", [other.id, [b.id]])
            : c5.query(`select crm.write_rows('contact', 'update', $1::jsonb)`, [
                JSON.stringify([
                  { id: a.id, firstName: "Y" },
                  { id: b.id, firstName: "Z" },
                ]),
              ]),
        ),
      ]);
      for (const one of clients) await one.query("rollback");
      expect(await exists(a)).toBe(false);
      expect(await holders(a.mark)).toEqual([]);
    }
    for (const one of clients) await one.end();
    expect(deadlocks).toEqual([]);
  }, 180_000);

  test("an erasure waits no longer than its lock_timeout, and leaves nothing locked", async () => {
    const a = await person();
    await withConnection(database.ownerUrl, async (writer) => {
      await writer.query("begin");
      await writer.query("update crm.contacts set first_name = 'Late' where id = $1", [a.id]);
      await client.query("set lock_timeout = '300ms'");
      await expect(erase(a)).rejects.toMatchObject({ code: "55P03" });
      await client.query("reset lock_timeout");
      await writer.query("update crm.tasks set description = 'Late' where contact_id = $1", [a.id]);
      await writer.query("commit");
    });
    await erase(a);
    expect(await exists(a)).toBe(false);
  });
});
