import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withThrowawayDatabase } from "../../scripts/throwaway.ts";
import { withConnection } from "../../server/postgres/connect.ts";
import { changeUrl } from "../../server/postgres/database-url.ts";
import { examine } from "../../server/doctor/doctor.ts";
import { migrateDatabase } from "../../server/migrations/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import { blockWith, readRecipe, runShell } from "../helpers/recipes.ts";

/*
 * The guides for those who run the database, followed word by word. The programs are those of PostgreSQL
 * 15, which Debian has, so the server is one of 15, too.
 */

const binaries = "/usr/lib/postgresql/15";
const hasPrograms = existsSync(join(binaries, "bin", "pg_dump"));
const without = hasPrograms ? "" : " (there is no pg_dump here: apt-get install postgresql-15)";
const describeWith = hasPrograms ? describe : describe.skip;

const root = resolve(import.meta.dirname, "../..");

/** Some of everything, with a custom field of each kind and a deletion in the trash. */
const fill = `
  insert into crm.custom_field_definitions
    (name, label, entity_type, field_type, enum_values, is_unique, default_value)
  values
    ('size', 'Size', 'company', 'number', null, false, '5'),
    ('code', 'Code', 'company', 'text', null, true, null),
    ('tier', 'Tier', 'contact', 'enum', array['gold', 'tin'], false, null);
  insert into crm.companies (name, custom_fields) values
    ('Acme', '{"code": "A"}'), ('Bolt', '{"code": "B", "size": 7}'), ('Gone', '{}');
  insert into crm.contacts (first_name, last_name, emails, company_id, custom_fields, external_ids)
    select 'Ada', 'Lovelace', '{ada@example.com}', id, '{"tier": "gold"}',
      array[('hub', '1')::crm.external_id]
    from crm.companies where name = 'Acme';
  insert into crm.deals (title, company_id, value, stage)
    select 'Engine', id, 1.5, 'Won' from crm.companies;
  insert into crm.tasks (description, entity_type, entity_id)
    select 'Call', 'deal', id from crm.deals;
  insert into crm.notes (content, entity_type, entity_id)
    select 'Hm', 'company', id from crm.companies;
  insert into crm.pipeline_stages (name, probability) values ('Pilot', 30);
  insert into crm.exchange_rates (currency, valid_from, rate) values ('EUR', '2026-01-01', 1.1);
  update crm.companies set name = name || ' Inc.';
  delete from crm.companies where name like 'Gone%';
`;

/** Seals what was committed before. */
const seal = "select crm_private.seal_audit_log()";

const tables = [
  ...["companies", "contacts", "deals", "tasks", "notes", "custom_field_definitions"],
  ...["pipeline_stages", "exchange_rates", "audit_logs"],
].map((name) => `crm.${name}`);

/** Every row of a database, as texts. */
async function contents(client: pg.ClientBase): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {};
  for (const table of [...tables, "crm_private.external_ids", "crm_private.audit_log_blocks"]) {
    const { rows } = await client.query<{ row: string }>(
      `select to_jsonb(record)::text as row from ${table} as record order by 1`,
    );
    all[table] = rows.map(({ row }) => row);
    expect([table, rows.length > 0]).toEqual([table, true]);
  }
  return all;
}

describeWith(`with the programs of PostgreSQL${without}`, () => {
  let ownerUrl: string;
  let folder: string;
  let close: () => void;
  let closed: Promise<void>;

  const urlOf = (database: string) => changeUrl(ownerUrl, { database });
  const run = (command: string, environment: Record<string, string> = {}) => {
    const url = new URL(ownerUrl);
    return runShell(command.replaceAll("npx pgcrm", `node ${root}/bin/pgcrm.js`), folder, {
      PATH: [join(binaries, "bin"), join(root, "node_modules", ".bin"), process.env.PATH].join(
        delimiter,
      ),
      DATABASE_URL: ownerUrl,
      PGHOST: url.hostname,
      PGPORT: url.port,
      PGUSER: decodeURIComponent(url.username),
      PGPASSWORD: decodeURIComponent(url.password),
      ...environment,
    });
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "pgcrm-operations-"));
    await new Promise<void>((resolveReady, reject) => {
      closed = withThrowawayDatabase(async (database) => {
        ownerUrl = database.ownerUrl;
        await withConnection(ownerUrl, async (client) => {
          await client.query(fill);
          await client.query(seal);
        });
        resolveReady();
        await new Promise<void>((resolveClose) => (close = resolveClose));
      }, binaries).catch(reject);
    });
  }, 120_000);
  afterAll(async () => {
    close();
    await closed;
    await rm(folder, { recursive: true });
  });

  test("a backup is restored with everything that there was, and writes go on", async () => {
    const blocks = await readRecipe("docs/how-to/back-up-and-restore.md");
    const recipe = blockWith(blocks, "createdb crm_restored");
    await run(recipe.replace("DATABASE_URL=…", `DATABASE_URL=${urlOf("crm_restored")}`));
    const before = await withConnection(ownerUrl, contents);
    await withConnection(urlOf("crm_restored"), async (client) => {
      expect(await contents(client)).toEqual(before);
      await client.query("insert into crm.companies (name) values ('After')");
      const { rows } = await client.query<{ custom_fields: object }>(
        `select custom_fields from crm.companies where name = 'After'`,
      );
      expect(rows).toEqual([{ custom_fields: { size: 5 } }]);
    });
    expect(await migrateDatabase({ ownerUrl: urlOf("crm_restored") })).toEqual([]);
  }, 120_000);

  test("data alone is loaded into a fresh database, where definitions hold", async () => {
    const blocks = await readRecipe("docs/how-to/back-up-and-restore.md");
    await withConnection(urlOf("postgres"), (client) => client.query("create database loaded"));
    await migrateDatabase({ ownerUrl: urlOf("loaded") });
    await run(blockWith(blocks, "pg_dump --data-only"), { TARGET_URL: urlOf("loaded") });
    const before = await withConnection(ownerUrl, contents);
    await withConnection(urlOf("loaded"), async (client) => {
      expect(await contents(client)).toEqual(before);
      await client.query("insert into crm.companies (name) values ('After')");
      await expect(
        client.query(`insert into crm.companies (name, custom_fields) values ('X', '{"no": 1}')`),
      ).rejects.toMatchObject({ code: "23514" });
      await expect(
        client.query(
          `insert into crm.companies (name, custom_fields) values ('X', '{"code": "A"}')`,
        ),
      ).rejects.toMatchObject({ code: "23P01" });
      await client.query("select custom_size, custom_code from reporting.companies");
      await client.query("begin");
      expect(await examine(client)).toEqual([]);
      await client.query("rollback");
    });
  }, 120_000);

  test("a month is archived, verified, dumped and dropped, and comes back", async () => {
    const blocks = await readRecipe("docs/how-to/archive-months.md");
    const name = "archive";
    await withConnection(urlOf("postgres"), (client) =>
      client.query(`create database ${name} template crm`),
    );
    const environment = { DATABASE_URL: urlOf(name) };
    await withConnection(urlOf(name), async (client) => {
      await client.query(
        `create table crm_private.audit_logs_2025_12 partition of crm.audit_logs
           for values from ('2025-12-01 00:00+00') to ('2026-01-01 00:00+00')`,
      );
      await client.query(
        `insert into crm.audit_logs
           (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
         values ('note', gen_random_uuid(), 'create', 'ann', '{}', '2025-12-10', 1, 'sql')`,
      );
      await client.query(seal);
      const { rows } = await client.query(
        blockWith(blocks, "select crm_private.archive_audit_log("),
      );
      expect(rows.length).toBeGreaterThan(0);
      expect(await entriesOf2025(client)).toBe(0);
    });
    const shell = blockWith(blocks, "npx pgcrm verify");
    const [verify = "", dump = "", drop = ""] = shell.trim().split("\n");
    expect(drop).toContain("drop table");
    await run([verify, dump].join("\n"), environment);

    await withConnection(urlOf(name), async (client) => {
      await client.query(blockWith(blocks, "attach partition"));
      expect(await entriesOf2025(client)).toBe(1);
      await client.query("select crm_private.archive_audit_log('2026-01-01')");
    });
    await run(drop, environment);
    await run("pg_restore --exit-on-error -d archive audit_logs_2025_12.dump", environment);
    await withConnection(urlOf(name), async (client) => {
      await client.query(blockWith(blocks, "attach partition"));
      expect(await entriesOf2025(client)).toBe(1);
    });
    await run(verify, environment);
  }, 120_000);

  test("the indexes on names are made anew", async () => {
    const blocks = await readRecipe("docs/how-to/recompute-search.md");
    const files = `select relname, pg_relation_filenode(oid) as file from pg_class
                   where relname like '%\\_name\\_words' order by 1`;
    const before = await withConnection(ownerUrl, (client) => client.query(files));
    expect(before.rows.length).toBeGreaterThan(2);
    await run(blockWith(blocks, "reindex index concurrently"));
    const after = await withConnection(ownerUrl, (client) => client.query(files));
    expect(after.rows).toHaveLength(before.rows.length);
    for (const [index, row] of after.rows.entries()) expect(row).not.toEqual(before.rows[index]);
  });
});

async function entriesOf2025(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::int as count from crm.audit_logs where "timestamp" < '2026-01-01'`,
  );
  return rows[0]?.count ?? -1;
}

describe("in a database of its own", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await withConnection(database.ownerUrl, (client) => client.query(fill));
  });
  afterAll(() => database.drop());

  test("what search reads is computed anew, without a version or an entry", async () => {
    const block = blockWith(await readRecipe("docs/how-to/recompute-search.md"), "do $compute$");
    await withConnection(database.ownerUrl, async (client) => {
      const state = async () => {
        const all: Record<string, Record<string, unknown>[]> = {};
        for (const table of ["contacts", "companies", "deals", "tasks", "notes"]) {
          const { rows } = await client.query<Record<string, unknown>>(
            `select to_jsonb(record) - 'search_document' as row, search_document::text as document
                 from crm.${table} as record order by id`,
          );
          all[table] = rows;
        }
        return all;
      };
      const before = await state();
      const count = "select count(*) from crm.audit_logs";
      const { rows: entries } = await client.query(count);

      // What the columns are derived by, each made to give the same.
      const { rows: functions } = await client.query<{ definition: string; language: string }>(
        `select pg_get_functiondef(proc.oid) as definition, lanname as language
         from pg_proc as proc
         join pg_language as language on language.oid = prolang
         where pronamespace = 'crm_private'::regnamespace and proname ~ '_document$'`,
      );
      expect(functions.length).toBeGreaterThan(2);
      for (const { definition, language } of functions) {
        const body = "select 'zebra'::tsvector";
        const zebra = language === "sql" ? body : `begin return (${body}); end`;
        await client.query(
          definition.replace(/AS \$function\$[^]*\$function\$/, () => `AS $$ ${zebra} $$`),
        );
      }
      await client.query(block);
      const after = await state();
      for (const [table, list] of Object.entries(after)) {
        expect(list.length).toBeGreaterThan(0);
        expect(list.map(({ row }) => row)).toEqual(before[table]?.map(({ row }) => row));
        for (const { document } of list)
          expect([table, document]).toEqual([table, expect.stringContaining("zebra")]);
      }
      expect((await client.query(count)).rows).toEqual(entries);
      for (const { definition } of functions) await client.query(definition);
      await client.query(block);
      expect(await state()).toEqual(before);
    });
  });

  test("tasks and notes are searched in the language that is mapped", async () => {
    const blocks = await readRecipe("docs/how-to/recompute-search.md");
    await withConnection(database.ownerUrl, async (client) => {
      await client.query(
        `insert into crm.notes (content, entity_type, entity_id)
         select 'Ein Bild', 'company', id from crm.companies limit 1`,
      );
      const find = async () =>
        (await client.query<object>("select extract from crm.search('Bildern', array['note'])"))
          .rows;
      expect(await find()).toEqual([]);
      await client.query(blockWith(blocks, "alter text search configuration"));
      expect(await find()).toHaveLength(1);
      await client.query(blockWith(blocks, "set_default_country"));
    });
  });

  test("an import is in the user's name", async () => {
    const block = blockWith(
      await readRecipe("docs/how-to/import-data.md"),
      "set local crm.user_id",
    );
    const asked = `select log.user_id, log.source, company.created_by
                   from crm.audit_logs as log
                   join crm.companies as company on company.id = log.entity_id
                   where log.source = 'import'`;
    for (const url of [database.ownerUrl, database.serverUrl]) {
      await withConnection(url, (client) =>
        client.query(
          url === database.ownerUrl
            ? block
            : block.replace("begin;", "begin; set local role crm_member;"),
        ),
      );
    }
    const { rows } = await withConnection(database.ownerUrl, (client) => client.query(asked));
    expect(rows).toEqual(
      [1, 2].map(() => ({ user_id: "ann", source: "import", created_by: "ann" })),
    );
  });

  test("what would break a rule is listed, and more custom fields are allowed", async () => {
    const blocks = await readRecipe("docs/explanation/custom-fields.md");
    await withConnection(database.ownerUrl, async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('employees', 'Employees', 'company', 'number')`,
      );
      const { rows } = await client.query(blockWith(blocks, "check_custom_field_rule('company'"));
      expect(rows.length).toBeGreaterThan(0);
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
         values ('tier', 'Tier', 'company', 'enum', array['gold', 'tin'])`,
      );
      const { rows: renamed } = await client.query(blockWith(blocks, "rename_custom_field_value("));
      expect(renamed).toHaveLength(1);
      const name = new URL(database.ownerUrl).pathname.slice(1);
      await client.query(
        blockWith(blocks, "max_custom_fields").replace("database crm", `database ${name}`),
      );
    });
    await withConnection(database.ownerUrl, async (client) => {
      const { rows } = await client.query("select crm_private.max_custom_fields() as most");
      expect(rows).toEqual([{ most: 500 }]);
    });
  });
});
