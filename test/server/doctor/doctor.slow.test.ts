import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { readCommittedMigrations } from "../../../server/migrations/committed.ts";
import { examine, examineCircumstances, migrationFindings } from "../../../server/doctor/doctor.ts";
import { versionFindings } from "../../../server/doctor/checks.ts";
import { migrateDatabase } from "../../../server/migrations/migrate.ts";
import { createTestDatabase, withRollback } from "../../helpers/database.ts";
import { blockWith, readRecipe } from "../../helpers/recipes.ts";

const committed = join(import.meta.dirname, "../../../db/migrations/committed");
const lastMigration = readdirSync(committed).toSorted().at(-1) ?? "";

/** What is found, but for the version of PostgreSQL, which these tests do not choose. */
async function findings(client: pg.ClientBase): Promise<string[]> {
  return (await examine(client)).filter((finding) => !finding.startsWith("PostgreSQL "));
}

test("a migrated database has no finding, and examining it changes nothing", () =>
  withRollback(async (client) => {
    expect(await findings(client)).toEqual([]);
    expect(await findings(client)).toEqual([]);
  }));

test("custom fields that are defined are no finding, unless they are not compiled", () =>
  withRollback(async (client) => {
    await client.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('size', 'Size', 'contact', 'number')`,
    );
    expect(await findings(client)).toEqual([]);
    await client.query("set session_replication_role = replica");
    await client.query("delete from crm.custom_field_definitions");
    await client.query("reset session_replication_role");
    expect(await findings(client)).toContain(
      "function crm_private.contacts_custom_fields_hold differs from that of this version; " +
        "npx pgcrm field compile compiles it from the definitions",
    );
  }));

test.each(["products", '"Order"'])(
  "an entity that an application has registered is no finding, but a further right on it is: %s",
  (table) =>
    withRollback(async (client) => {
      const recipe = await readRecipe("docs/contributing/add-an-entity.md");
      await client.query("create schema shop; grant usage on schema shop to crm_reader");
      await client.query(
        blockWith(recipe, "create table if not exists crm.products").replaceAll(
          "crm.products",
          `shop.${table}`,
        ),
      );
      expect(await findings(client)).toEqual([]);
      const history = table.replace(/(?<=\w)(?="?$)/, "_history");
      await client.query(`grant execute on function crm.${history} to crm_server`);
      await client.query(`grant delete on reporting.${table} to crm_reporter`);
      expect(await findings(client)).toEqual([
        `unexpected right: crm_reporter may delete reporting.${table}`,
        `unexpected right: crm_server may execute crm.${history}`,
      ]);
    }),
);

test.each([
  [
    "alter table crm.contacts disable trigger _900_audit_log_update",
    "trigger _900_audit_log_update on crm.contacts is disabled",
  ],
  ["drop trigger _200_validate on crm.notes", "trigger _200_validate on crm.notes is missing"],
  [
    "drop table crm_private.idempotency_keys",
    "the functions could not be compared, because an object that they use is missing",
  ],
  ["alter table crm.deals disable row level security", "table crm.deals has no row-level security"],
  ["alter role crm_admin superuser", "role crm_admin is a superuser"],
  ["alter role crm_reader bypassrls", "role crm_reader bypasses row-level security"],
  ["alter role crm_member login", "role crm_member can log in"],
  ["alter role crm_server inherit", "role crm_server inherits the rights of its roles"],
  [
    "grant pg_read_all_data to crm_reporter",
    "role crm_reporter is a member of pg_read_all_data, but should not be",
  ],
  ["alter role crm_reporter rename to gone", "role crm_reporter is missing"],
  ["revoke crm_admin from crm_server", "role crm_server is not a member of crm_admin"],
  [
    "grant delete on crm.audit_logs to crm_admin",
    "unexpected right: crm_admin may delete crm.audit_logs",
  ],
  [
    "grant create on schema crm to crm_server",
    "unexpected right: crm_server may create schema crm",
  ],
  ["grant usage on schema crm to public", "unexpected right: public may usage schema crm"],
  [
    "grant select (id) on crm.notes to public",
    "unexpected right: public may select crm.notes (id)",
  ],
  [
    "grant select on crm_private.api_key_hashes to crm_admin",
    "unexpected right: crm_admin may select crm_private.api_key_hashes (api_key_id, key_hash)",
  ],
  [
    "grant insert (role) on crm.api_keys to crm_admin",
    "unexpected right: crm_admin may insert crm.api_keys (role)",
  ],
  [
    "grant execute on function crm_private.authenticate_api_key to crm_member",
    "unexpected right: crm_member may execute crm_private.authenticate_api_key",
  ],
  [
    "revoke execute on function crm_private.authenticate_api_key from crm_server",
    "missing right: crm_server may execute crm_private.authenticate_api_key",
  ],
  [
    "alter function crm.create_api_key set search_path = ''",
    "function crm.create_api_key differs from that of this version",
  ],
  [
    "grant create on schema public to public",
    "role crm_reader can create objects in schema public",
  ],
  [
    "grant create on schema extensions to crm_admin",
    "role crm_admin can create objects in schema extensions",
  ],
  [
    "do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$",
    "role crm_reporter can create temporary tables in the database",
  ],
  [
    "grant execute on function crm_private.compile_rules to public",
    "unexpected right: public may execute crm_private.compile_rules",
  ],
  ["revoke delete on crm.tasks from crm_member", "missing right: crm_member may delete crm.tasks"],
  [
    "alter table crm.contacts drop constraint contacts_first_name_blank",
    "function crm_private.contacts_hold differs from that of this version",
  ],
  [
    `create or replace function crm_private.refuse_truncate() returns trigger
     language plpgsql as 'begin return null; end'`,
    "function crm_private.refuse_truncate differs from that of this version",
  ],
  [
    "alter table crm.notes add constraint notes_odd check (content <> 'odd') not valid",
    "constraint notes_odd on crm.notes has not been validated",
  ],
  [
    `create index contacts_c on crm.contacts (first_name collate "und-x-icu");
     update pg_collation set collversion = '1' where collname = 'und-x-icu'`,
    expect.stringMatching(/^collation "und-x-icu" changed from version 1 to \S+: reindex/),
  ],
  [
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     values ('size', 'Size', 'contact', 'number');
     select crm.index_custom_field('contact', 'size');
     update pg_index set indisvalid = false
     where indexrelid = (
       select ('crm.' || crm_private.custom_field_index_name(d))::regclass
       from crm.custom_field_definitions as d
     )`,
    expect.stringMatching(
      /^index crm\.contacts_custom_\w+ is invalid; npx pgcrm field index contact size rebuilds it/,
    ),
  ],
  [
    `create index contacts_custom_00000000000000000000000000000000 on crm.contacts ((1))`,
    "index crm.contacts_custom_00000000000000000000000000000000 belongs to a custom field that no longer exists; drop it",
  ],
  [
    `update crm_migrations.migrations
     set hash = 'sha1:x'
     where hash not in (
       select previous_hash from crm_migrations.migrations where previous_hash is not null
     )`,
    `migration ${lastMigration} differs from the one that was run`,
  ],
  [
    "insert into crm_migrations.migrations (hash, filename) values ('sha1:x', '999999.sql')",
    "migration 999999 does not belong to this version",
  ],
  [
    `delete from crm_migrations.migrations where filename like '${lastMigration.slice(0, 6)}%'`,
    `migration ${lastMigration} has not been run`,
  ],
])("after %s the finding is: %s", (statement, finding) =>
  withRollback(async (client) => {
    await client.query(statement);
    expect(await findings(client)).toContainEqual(finding);
  }),
);

test("a database whose collation has changed is found from PostgreSQL 15 on", () =>
  withRollback(async (client) => {
    const { rows } = await client.query<{ version: number }>(
      "select current_setting('server_version_num')::int as version",
    );
    if ((rows[0]?.version ?? 0) < 150_000) return;
    await client.query(
      "update pg_database set datcollversion = '1' where datname = current_database()",
    );
    expect(await findings(client)).toEqual([
      expect.stringMatching(
        /^the collation of the database changed from version 1 to \S+: reindex/,
      ),
    ]);
  }));

test("a committed migration that was edited on disk is found, and refused by migrating", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pgcrm-edited-"));
  cpSync(join(committed, ".."), folder, { recursive: true, verbatimSymlinks: true });
  const [known] = await readCommittedMigrations(folder);
  expect(known?.isIntact).toBe(true);
  appendFileSync(join(folder, "committed", known?.name ?? ""), "-- a word more\n");
  expect((await readCommittedMigrations(folder))[0]).toMatchObject({ isIntact: false });
  await withRollback(async (client) => {
    const found = await migrationFindings(client, folder);
    expect(found.differ).toEqual([
      `migration ${known?.name ?? ""} was edited after it was committed; restore the file`,
    ]);
  });
  const database = await createTestDatabase();
  const migrating = migrateDatabase({ ownerUrl: database.ownerUrl, folder });
  await expect(migrating).rejects.toThrow("was edited after it was committed; restore that file.");
  await database.drop();
  rmSync(folder, { recursive: true });
});

test("the embedded database is said to have no backup, unless the machine has its pg_dump", () =>
  withRollback(async (client) => {
    expect(await examineCircumstances(client, false)).toEqual([]);
    const { rows } = await client.query<{ major: number }>(
      "select current_setting('server_version_num')::int / 10000 as major",
    );
    const { stdout } = spawnSync("pg_dump", ["--version"], { encoding: "utf8" });
    const canDump = Number(/\d+/.exec(stdout)?.[0] ?? 0) >= (rows[0]?.major ?? 0);
    expect(await examineCircumstances(client, true)).toEqual(
      canDump
        ? []
        : [
            expect.stringMatching(
              /^The embedded database cannot be backed up on this machine: (pg_dump is not installed|pg_dump \d+ is too old); pg_dump \d+ or newer is required\./,
            ),
          ],
    );
  }));

describe("a version of PostgreSQL", () => {
  const day = new Date("2026-06-01");

  test.each([
    [180_006, day, []],
    [180_007, day, []],
    [180_004, day, ["PostgreSQL 18.4 is not the newest minor release; 18.6 was, on 2026-11-29"]],
    [180_003, day, ["PostgreSQL 18.3 has known vulnerabilities; upgrade to 18.6"]],
    [150_019, day, ["PostgreSQL 15.19 is not the newest minor release; 15.20 was, on 2026-11-29"]],
    [150_020, new Date("2027-11-11"), []],
    [150_020, new Date("2027-11-12"), ["PostgreSQL 15 has been out of support since 2027-11-11"]],
    [130_023, day, ["PostgreSQL 13 is not supported; use 14 or newer"]],
    [190_000, day, []],
  ])("%i on %s has the findings %j", (version, today, expected) => {
    expect(versionFindings(version, today)).toEqual(expected);
  });
});
