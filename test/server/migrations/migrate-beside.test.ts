import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import { migrateDatabase } from "../../../server/migrations/migrate.ts";
import { missingHeaderLines } from "../../../server/migrations/header.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { writeMigrations } from "../../helpers/migrations.ts";
import { until } from "../../helpers/process.ts";

/** A column that is added, filled and made required while others read and write. */
const first = {
  text: `create table birds (id int generated always as identity primary key, name text not null);
    insert into birds (name) select 'bird ' || n from generate_series(1, 20000) as n;`,
};
const expand = {
  text: `alter table birds add column song text;
    alter table birds add constraint birds_song check (song is not null) not valid;
    create function sing() returns trigger language plpgsql
      as $$ begin new.song := coalesce(new.song, upper(new.name)); return new; end $$;
    create trigger sing before insert or update on birds for each row execute function sing();`,
  fill: `update birds set song = upper(name)
    where id in (select id from birds where song is null order by id limit 3000)`,
};
const contract = { text: "alter table birds validate constraint birds_song;" };

let folder: string;
let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-beside-"));
  database = await createTestDatabase("template0");
  pool = new pg.Pool({ connectionString: database.ownerUrl, max: 8 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
  rmSync(folder, { recursive: true });
});

const courtesy = { lockTimeout: 200, longestPause: 500, patience: 60_000 };
test("behind a long reader a migration gives way to others, and fills in batches before what comes next", async () => {
  const { ownerUrl } = database;
  writeMigrations(folder, [first]);
  await migrateDatabase({ ownerUrl, folder });
  writeMigrations(folder, [first, expand, contract]);

  // A report that runs until it is told to end.
  const reader = new pg.Client({ connectionString: ownerUrl });
  await reader.connect();
  await reader.query("begin");
  await reader.query("select count(*) from birds");

  const reports: string[] = [];
  const state: { isDone: boolean } = { isDone: false };
  const migrating = migrateDatabase({
    ownerUrl,
    folder,
    courtesy,
    report: (line) => reports.push(line),
  }).finally(() => (state.isDone = true));
  migrating.catch(() => undefined);

  // A migration without a lock timeout would keep these waiting for as long as the report runs.
  const work = () =>
    Promise.all(
      [
        "select count(*) from birds where id < 100",
        "insert into birds (name) values ('new')",
        "update birds set name = name where id = 7",
      ].map((text) => pool.query(text)),
    );
  await until(async () => {
    await work();
    return reports.includes("000002.sql waits for locks of other transactions.");
  });
  for (let i = 0; i < 10; i += 1) await work();
  expect(state.isDone).toBe(false);
  await reader.query("commit");
  while (!state.isDone) await work();
  expect(await migrating).toEqual(["000002.sql", "000003.sql"]);
  await reader.end();

  expect(reports).toContain("000002.sql waits for locks of other transactions.");
  expect(reports.filter((line) => line.startsWith("Filled"))).toEqual(
    expect.arrayContaining(["Filled 3000 rows of 000002."]),
  );
  const { rows } = await pool.query(
    `select (select count(*)::int from birds where song is null) as unfilled,
       (select convalidated from pg_constraint where conname = 'birds_song') as validated,
       array(select number from crm_migrations.filled) as filled`,
  );
  expect(rows).toEqual([{ unfilled: 0, validated: true, filled: ["000002"] }]);
}, 90_000);

test("a filling that was cut goes on where it was, before anything else is run", async () => {
  const own = mkdtempSync(join(tmpdir(), "pgcrm-filling-"));
  const ownDatabase = await createTestDatabase("template0");
  const { ownerUrl } = ownDatabase;
  try {
    const failing = {
      ...expand,
      fill: expand.fill.replace(
        "upper(name)",
        "case when id > 9000 then (1 / (id - id))::text else name end",
      ),
    };
    writeMigrations(own, [first, failing, contract]);
    await expect(migrateDatabase({ ownerUrl, folder: own })).rejects.toThrow("division by zero");
    const count = (text: string) =>
      withConnection(
        ownerUrl,
        async (client) => (await client.query<{ n: number }>(text)).rows[0]?.n,
      );
    expect(await count("select count(song)::int as n from birds")).toBe(9000);
    expect(await count("select count(*)::int as n from crm_migrations.migrations")).toBe(2);

    writeMigrations(own, [first, expand, contract]);
    expect(await migrateDatabase({ ownerUrl, folder: own })).toEqual(["000003.sql"]);
    expect(await count("select count(*)::int as n from birds where song is null")).toBe(0);
  } finally {
    await ownDatabase.drop();
    rmSync(own, { recursive: true });
  }
}, 60_000);

test("a migration that cannot have its locks gives up in the end, and has changed nothing", async () => {
  const own = mkdtempSync(join(tmpdir(), "pgcrm-locked-"));
  const ownDatabase = await createTestDatabase("template0");
  const { ownerUrl } = ownDatabase;
  try {
    writeMigrations(own, [first]);
    await migrateDatabase({ ownerUrl, folder: own });
    writeMigrations(own, [
      first,
      { text: "create table nests (); alter table birds add wing text;" },
    ]);
    await withConnection(ownerUrl, async (client) => {
      await client.query("begin");
      await client.query("lock table birds in access share mode");
      await expect(
        migrateDatabase({ ownerUrl, folder: own, courtesy: { ...courtesy, patience: 500 } }),
      ).rejects.toMatchObject({
        name: "Problem",
        message: expect.stringContaining("and changed nothing"),
      });
      const { rows } = await client.query("select to_regclass('nests') as nests");
      expect(rows).toEqual([{ nests: null }]);
    });
  } finally {
    await ownDatabase.drop();
    rmSync(own, { recursive: true });
  }
}, 60_000);

describe("the header of a migration", () => {
  const header = `/*
 * Why: sales people ask what a contact does.
 * Locks: crm.contacts exclusively, for a moment.
 * Duration: 2 s per million rows of crm.contacts.
 * Undone by: revert/000002.sql.
 */`;

  test("says why, what it locks, how long it takes per million rows, how it is undone", () => {
    expect(missingHeaderLines(`${header}\nselect 1;`)).toEqual([]);
    expect(missingHeaderLines("select 1;")).toEqual(["Why:", "Locks:", "Duration:", "Undone by:"]);
    expect(missingHeaderLines(header.replace(" per million rows of crm.contacts", ""))).toEqual([
      "Duration:",
    ]);
  });

  test("is that of every committed migration after the first release", () => {
    const committed = join(import.meta.dirname, "../../../db/migrations/committed");
    const faulty = readdirSync(committed)
      .filter((name) => name.endsWith(".sql") && !name.startsWith("000001"))
      .flatMap((name) =>
        missingHeaderLines(readFileSync(join(committed, name), "utf8")).map(
          (line) => `${name} lacks ${line}`,
        ),
      );
    expect(faulty).toEqual([]);
  });
});
