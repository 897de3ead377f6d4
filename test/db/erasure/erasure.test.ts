import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { connect, withConnection } from "../../../server/postgres/connect.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  untilWaiting,
} from "../../helpers/database.ts";
import { describe as describeRefusal, refusal } from "../../helpers/refusal.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await connect(database.ownerUrl);
  await client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     values ('nickname', 'Nickname', 'contact', 'text')`,
  );
  await client.query("insert into crm.companies (name) values ('Acme')");
  await client.query(
    "insert into crm.contacts (first_name, last_name) select 'F' || i, 'L' from generate_series(1, 5) as i",
  );
  // Before release 18 the statistics of a table that is empty now cannot be made anew.
  await client.query(
    `insert into crm.tasks (description, entity_type, entity_id)
     select 'Call', 'company', id from crm.companies
     where current_setting('server_version_num')::int < 180000;
     insert into crm.notes (content, entity_type, entity_id)
     select 'Met', 'company', id from crm.companies
     where current_setting('server_version_num')::int < 180000`,
  );
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

async function value<Value>(text: string, values: unknown[] = [], by = client): Promise<Value> {
  const { rows } = await by.query<{ value: Value }>(`select (${text}) as value`, values);
  return rows[0]?.value as Value;
}

/** What every value of the person holds, and nothing else in the database. */
const mark = "Quixby";

async function createPerson(): Promise<string> {
  const id = await value<string>("gen_random_uuid()");
  await client.query(
    `insert into crm.contacts (id, first_name, last_name, emails, phones, company_id, custom_fields)
     select $1, 'Zeb ${mark}', '${mark}', '{zeb@${mark}.example}', '{+49 ${mark}}', id,
       '{"nickname": "${mark}y"}'
     from crm.companies limit 1`,
    [id],
  );
  return id;
}

async function attach(kind: "task" | "note", id: string, entityType = "contact"): Promise<void> {
  await client.query(
    kind === "task"
      ? `insert into crm.tasks (description, entity_type, entity_id) values ('Call ${mark}', $2, $1)`
      : `insert into crm.notes (content, entity_type, entity_id) values ('Met ${mark}', $2, $1)`,
    [id, entityType],
  );
}

/** Every table of the database that holds the mark, the catalogs and statistics included. */
async function tablesThatHoldIt(): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "select oid::regclass::text as name from pg_class where relkind in ('r', 'm') order by 1",
  );
  expect(rows.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["crm.contacts", "crm_private.audit_logs_other", "pg_statistic"]),
  );
  const held = await client.query<{ name: string }>(
    rows
      .map(({ name }) => `select '${name}' as name from ${name} as r where r::text ~* '${mark}'`)
      .join(" union "),
  );
  return held.rows.map(({ name }) => name);
}

const erase = (id: string, by = client) =>
  by.query<Record<string, unknown>>("select * from crm.erase_contact($1)", [id]);

async function expectIntact(digest?: string): Promise<void> {
  const { rows } = await client.query("select * from crm.verify_audit_log($1)", [digest]);
  expect(rows[0]).toMatchObject({ intact: true, fault: null, unsealed: "0" });
}

describe("after an erasure", () => {
  test.each([
    ["with what hangs on it", "select $1::uuid"],
    ["that is in the trash", "delete from crm.contacts where id = $1"],
    [
      "whose tasks and notes were deleted one by one",
      `with task as (delete from crm.tasks where contact_id = $1)
       delete from crm.notes where contact_id = $1`,
    ],
    [
      "that was purged from the trash",
      "with gone as (delete from crm.contacts where id = $1) select 1",
    ],
  ])("a contact %s occurs nowhere in the database", async (_, statement) => {
    const id = await createPerson();
    await attach("task", id);
    await attach("note", id);
    await client.query("update crm.notes set content = content || '!' where contact_id = $1", [id]);
    await client.query(
      "update crm.contacts set emails = '{}', last_name = 'Other', phones = '{}' where id = $1",
      [id],
    );
    await client.query(
      `insert into crm.deals (title, company_id, contact_id, value, stage)
       select 'Engine', id, $1, 1, 'Won' from crm.companies limit 1`,
      [id],
    );
    const digest = await value<string>("crm.audit_log_digest()");
    await client.query(statement, [id]);
    if (_.includes("purged")) await value("crm.purge_trash('0')");
    await client.query("analyze");
    expect((await tablesThatHoldIt()).length).toBeGreaterThan(0);

    await erase(id);
    expect(await tablesThatHoldIt()).toEqual([]);
    await expectIntact(digest);
  });

  test("who did what, and when, is still told, and who erased it", async () => {
    const id = await createPerson();
    await attach("note", id);
    const entries = async () =>
      (
        await client.query<Record<string, unknown>>(
          `select id, entity_type, action, user_id, "timestamp", transaction_id, source
           from crm.audit_logs where entity_id = $1 order by id`,
          [id],
        )
      ).rows;
    const before = await entries();
    await client.query("begin");
    await asRole(client, "crm_admin", "ada");
    const { rows } = await erase(id);
    await client.query("commit");
    expect(rows).toMatchObject([
      { entity_type: "contact", entity_id: id, action: "erase", user_id: "ada", changes: {} },
    ]);
    const after = await entries();
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.slice(before.length)).toMatchObject([
      { entity_type: "contact", action: "delete", user_id: "ada" },
      { entity_type: "contact", action: "erase", user_id: "ada" },
    ]);
  });

  test("nothing of it can be found by guessing, because the salts are gone", async () => {
    const id = await createPerson();
    await value("crm.audit_log_digest()");
    const salts = `
      select count(*)::int from crm_private.audit_log_blocks as block,
        unnest(block.ids, block.salts) as seal (id, salt)
      where octet_length(salt) = 16
        and seal.id in (select id from crm.audit_logs where entity_id = $1)`;
    expect(await value(salts, [id])).toBe(1);
    await erase(id);
    expect(await value(salts, [id])).toBe(0);
  });

  test("who restores it meanwhile waits, and is refused", async () => {
    const id = await createPerson();
    await client.query("delete from crm.contacts where id = $1", [id]);
    const other = await connect(database.ownerUrl);
    await client.query("begin");
    await erase(id);
    await other.query("begin");
    const restored = refusal(other, "select crm.restore_deleted('contact', $1)", [id]);
    await untilWaiting(client);
    await client.query("commit");
    expect(await restored).toMatchObject({ constraint: "audit_logs_changes_erased" });
    await other.end();
    expect(await tablesThatHoldIt()).toEqual([]);
  });

  test("nothing can be undone by a snapshot from before", async () => {
    const id = await createPerson();
    await client.query("delete from crm.contacts where id = $1", [id]);
    await client.query("begin isolation level repeatable read");
    expect(await refusal(client, "select crm.restore_deleted('contact', $1)", [id])).toMatchObject({
      code: "0A000",
    });
    await client.query("rollback");
    await erase(id);
  });

  test("it can be asked for again, which changes nothing", async () => {
    const id = await createPerson();
    const first = await erase(id);
    const count = await value("select count(*) from crm.audit_logs");
    expect((await erase(id)).rows).toEqual(first.rows);
    expect(await value("select count(*) from crm.audit_logs")).toBe(count);
  });

  test("a forged erasure beside it is still found", async () => {
    const [one, other] = [await createPerson(), await createPerson()];
    await erase(one);
    await expectIntact();
    await client.query("begin");
    await client.query(
      `update crm.audit_logs
       set changes = '{}', erased_at = (
         select erased_at from crm.audit_logs where entity_id = $1 and erased_at is not null limit 1
       )
       where entity_id = $2`,
      [one, other],
    );
    const { rows } = await client.query("select fault from crm.verify_audit_log()");
    expect(rows).toEqual([{ fault: "altered" }]);
    await client.query("rollback");
    await erase(other);
  });

  test("values put back into an erased entry are found", async () => {
    const id = await createPerson();
    await erase(id);
    await expectIntact();
    await client.query("begin");
    await client.query(
      "update crm.audit_logs set changes = '{\"last_name\": \"X\"}' where entity_id = $1 and action = 'create'",
      [id],
    );
    const { rows } = await client.query("select fault from crm.verify_audit_log()");
    expect(rows).toEqual([{ fault: "altered" }]);
    await client.query("rollback");
  });
});

test("an erasure leaves others alone, and tasks and notes that were moved away from the contact", async () => {
  const id = await createPerson();
  const other = await createPerson();
  await attach("note", other);
  await client.query(
    "insert into crm.tasks (description, entity_type, entity_id) values ('Moved', 'contact', $1)",
    [id],
  );
  await client.query(
    `update crm.tasks set entity_type = 'company',
       entity_id = (select id from crm.companies limit 1)
     where contact_id = $1`,
    [id],
  );
  await erase(id);
  expect(await value("select count(*)::int from crm.contacts where id = $1", [other])).toBe(1);
  expect(await value("select count(*)::int from crm.notes where contact_id = $1", [other])).toBe(1);
  expect(await value("select count(*)::int from crm.tasks where description = 'Moved'")).toBe(1);
  await erase(other);
  await client.query("delete from crm.tasks");
});

test("whatever happened to a contact before, it occurs nowhere after, and the audit log verifies", async () => {
  const steps = {
    change: "update crm.contacts set last_name = last_name || '!' where id = $1",
    nickname: `update crm.contacts set custom_fields = '{"nickname": "${mark}"}' where id = $1`,
    forget: "update crm.contacts set custom_fields = '{}', phones = '{}' where id = $1",
    remove: "delete from crm.contacts where id = $1",
    unpin: "delete from crm.notes where contact_id = $1",
    edit: "update crm.tasks set description = description || '?' where contact_id = $1",
    seal: "select crm_private.seal_audit_log() where $1::uuid is not null",
    purge: "select crm.purge_trash('0') where $1::uuid is not null",
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.constantFrom<keyof typeof steps | "task" | "note">(
          "task",
          "note",
          ...(Object.keys(steps) as (keyof typeof steps)[]),
        ),
        { maxLength: 8 },
      ),
      async (path) => {
        const id = await createPerson();
        const digest = await value<string>("crm.audit_log_digest()");
        for (const step of path) {
          if (step !== "task" && step !== "note") await client.query(steps[step], [id]);
          else if (await value("exists (select from crm.contacts where id = $1)", [id])) {
            await attach(step, id);
          }
        }
        await erase(id);
        const found = await client.query(
          `select id from crm.audit_logs as r where r::text ~* '${mark}'
           union all select 0 from crm.contacts as r where r::text ~* '${mark}'
           union all select 0 from crm.tasks as r where r::text ~* '${mark}'
           union all select 0 from crm.notes as r where r::text ~* '${mark}'`,
        );
        expect(found.rows).toEqual([]);
        await expectIntact(digest);
      },
    ),
    { numRuns: 100 },
  );
});

describe("an erasure", () => {
  test("of a contact that never was is refused", async () => {
    await client.query("begin");
    expect(
      await refusal(client, "select crm.erase_contact('00000000-0000-0000-0000-000000000001')"),
    ).toMatchObject({ code: "P0002" });
    await client.query("rollback");
  });

  test.each(["crm_reader", "crm_member", "crm_server", "crm_reporter"] as const)(
    "and a purge are not for %s",
    async (role) => {
      await client.query("begin");
      await asRole(client, role, "mallory");
      for (const statement of [
        "select crm.erase_contact(gen_random_uuid())",
        "select crm.purge_trash()",
        "select crm.set_trash_retention(0)",
      ]) {
        expect(await refusal(client, statement)).toMatchObject({ code: "42501" });
      }
      await client.query("rollback");
    },
  );

  test("waits for a change of the contact that is about to be committed, and finds it", async () => {
    const id = await createPerson();
    await withConnection(database.ownerUrl, async (writer) => {
      await writer.query("begin");
      await writer.query("update crm.contacts set first_name = $2 where id = $1", [
        id,
        `Late ${mark}`,
      ]);
      const erased = erase(id);
      await untilWaiting(writer, 1, "PgSleep");
      await writer.query("commit");
      await erased;
    });
    expect(await tablesThatHoldIt()).toEqual([]);
    await expectIntact();
  });

  test("waits for the sealing of what it erases", async () => {
    const id = await createPerson();
    await withConnection(database.ownerUrl, async (sealer) => {
      await sealer.query("begin");
      await sealer.query("select crm_private.seal_audit_log()");
      const erased = erase(id);
      await untilWaiting(sealer, 1, "PgSleep");
      await sealer.query("commit");
      await erased;
    });
    await expectIntact();
  });

  test("and a purge refuse a snapshot that may be too old", async () => {
    for (const statement of ["erase_contact(gen_random_uuid())", "purge_trash()"]) {
      await client.query("begin isolation level repeatable read");
      const error: unknown = await client
        .query(`select crm.${statement}`)
        .catch((caught: unknown) => caught);
      expect(describeRefusal(error)).toMatchObject({ code: "0A000" });
      await client.query("rollback");
    }
  });
});

describe("the trash", () => {
  /** The actions and changes of a company's entries, whether they were erased. */
  async function entriesOf(id: string): Promise<unknown[]> {
    const { rows } = await client.query<Record<string, unknown>>(
      `select action, changes <> '{}' as told, erased_at is not null as erased
       from crm.audit_logs where entity_id = $1 order by id`,
      [id],
    );
    return rows.map(({ action, told, erased }) => [action, told, erased]);
  }

  async function deletedCompany(daysAgo: number): Promise<string> {
    const id = await value<string>("gen_random_uuid()");
    await client.query("insert into crm.companies (id, name) values ($1, 'Gone')", [id]);
    await client.query("delete from crm.companies where id = $1", [id]);
    await client.query(
      `update crm.audit_logs set "timestamp" = "timestamp" - make_interval(days => $2)
       where entity_id = $1`,
      [id, daysAgo],
    );
    return id;
  }

  const kept = [
    ["create", true, false],
    ["delete", true, false],
  ];
  const purged = [
    ["create", true, false],
    ["delete", false, true],
  ];

  test("keeps a deletion for 30 days, unless told otherwise", async () => {
    expect(await value("crm.trash_retention_days()")).toBe(30);
    const [old, young] = [await deletedCompany(31), await deletedCompany(29)];
    expect(await value("crm.purge_trash()")).toBe(1);
    expect([await entriesOf(old), await entriesOf(young)]).toEqual([purged, kept]);
    expect(await value("crm.purge_trash('28 days')")).toBe(1);
    expect(await entriesOf(young)).toEqual(purged);
    await expectIntact();
  });

  test("keeps it for as long as administrators set, and the audit log knows who did", async () => {
    const id = await deletedCompany(9);
    await client.query("begin");
    await asRole(client, "crm_admin", "ada");
    expect(await value("crm.set_trash_retention(10)")).toBe(10);
    expect(await value("crm.purge_trash()")).toBe(0);
    expect(await value("crm.set_trash_retention(null)")).toBe(null);
    expect(await value("crm.purge_trash()")).toBe(0);
    expect(await value("crm.set_trash_retention(8)")).toBe(8);
    expect(await value("crm.set_trash_retention(8)")).toBe(8);
    expect(await value("crm.purge_trash()")).toBe(1);
    const { rows } = await client.query<{ user_id: string; changes: unknown }>(
      "select user_id, changes from crm.audit_logs where entity_type = 'setting' order by id",
    );
    expect(rows).toEqual(
      [
        { old: 30, new: 10 },
        { old: 10, new: null },
        { old: null, new: 8 },
      ].map((change) => ({ user_id: "ada", changes: { trash_retention_days: change } })),
    );
    expect(await entriesOf(id)).toEqual(purged);
    await client.query("rollback");
  });

  test("is purged by maintenance, ten thousand at a time", async () => {
    await client.query(
      `insert into crm.companies (name) select 'Bulk' from generate_series(1, 10001)`,
    );
    await client.query("delete from crm.companies where name = 'Bulk'");
    await client.query("begin");
    await value("crm.set_trash_retention(0)");
    await client.query("set local role crm_server");
    expect(await value("crm_private.maintain_audit_log()")).toBe(10_000);
    expect(Number(await value("crm_private.maintain_audit_log()"))).toBeGreaterThan(0);
    expect(await value("crm_private.maintain_audit_log()")).toBe(0);
    await client.query("commit");
    await expectIntact();
    await value("crm.set_trash_retention(30)");
  });

  test.each([
    ["purge_trash('-1 second')", "purge_trash_older_than_range", "olderThan"],
    ["set_trash_retention(-1)", "settings_trash_retention_days_range", "days"],
    ["set_trash_retention(36501)", "settings_trash_retention_days_range", "days"],
  ])("refuses %s", async (call, constraint, field) => {
    await client.query("begin");
    const { fields, ...rest } = await refusal(client, `select crm.${call}`);
    expect(rest).toMatchObject({ code: "23514", constraint });
    expect(Object.keys(fields ?? {})).toEqual([field]);
    await client.query("rollback");
  });
});
