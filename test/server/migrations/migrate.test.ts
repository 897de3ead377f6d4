import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";

import type pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import {
  applyCurrent,
  commitCurrent,
  migrateDatabase,
  migrationStatus,
  resetDatabase,
  revertLast,
} from "../../../server/migrations/migrate.ts";
import { readCatalog } from "../../helpers/catalog.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { writeMigrations } from "../../helpers/migrations.ts";

const catalogOf = (url: string) => withConnection(url, readCatalog);

/** Runs a test with an empty database of its own. */
async function withEmptyDatabase(work: (database: TestDatabase) => Promise<void>): Promise<void> {
  const database = await createTestDatabase("template0");
  try {
    await work(database);
  } finally {
    await database.drop();
  }
}

/** What is in the product's schemas and does not belong to a role. */
async function othersObjects(client: pg.Client, owner: string): Promise<string[]> {
  const { rows } = await client.query<{ identity: string }>(
    `select pg_describe_object(classid, objid, 0) as identity
     from (
       select 'pg_class'::regclass as classid, oid as objid, relnamespace as space, relowner as owner
       from pg_class
       union all
       select 'pg_proc'::regclass, oid, pronamespace, proowner from pg_proc
       union all
       select 'pg_type'::regclass, oid, typnamespace, typowner from pg_type
     ) as object
     where space in (
         'crm'::regnamespace, 'crm_private'::regnamespace, 'crm_custom'::regnamespace,
         'reporting'::regnamespace
       )
       and owner <> $1::regrole
     order by 1`,
    [owner],
  );
  return rows.map(({ identity }) => identity);
}

describe("the product's migrations", () => {
  test("give the same catalog after up, down and up again, and down leaves nothing", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const empty = await catalogOf(ownerUrl);
      const names = await migrateDatabase({ ownerUrl });
      expect(names).not.toEqual([]);
      const full = await catalogOf(ownerUrl);

      for (const name of names.toReversed()) {
        expect(await revertLast({ ownerUrl })).toBe(name.slice(0, 6));
      }
      expect(await catalogOf(ownerUrl)).toEqual(empty);

      await migrateDatabase({ ownerUrl });
      expect(await catalogOf(ownerUrl)).toEqual(full);
    });
  });

  test("can be run by an owner who is no superuser, where the roles stand already", async () => {
    await withEmptyDatabase(async (database) => {
      const url = new URL(database.ownerUrl);
      const name = url.pathname.slice(1);
      await withConnection(database.ownerUrl, async (client) => {
        await client.query("create role migrate_owner login createrole password 'secret'");
        await client.query(`alter database ${name} owner to migrate_owner`);
        await client.query("alter schema public owner to migrate_owner");
      });
      url.username = "migrate_owner";
      url.password = "secret";
      try {
        expect(await migrateDatabase({ ownerUrl: url.href })).not.toEqual([]);
        // What a superuser compiles anew is the owner's all the same.
        await withConnection(database.ownerUrl, async (client) => {
          const entities = ["contact", "company", "deal", "task", "note"];
          for (const entity of entities) {
            const table = `crm.${entity === "company" ? "companies" : `${entity}s`}`;
            await client.query(`alter table ${table} add column extra text`);
            await client.query(`select crm_private.compile_rules('${table}')`);
            await client.query(`select crm_private.compile_audit_log('${table}', '${entity}')`);
            await client.query(`select crm_private.compile_stamps('${table}', '${entity}')`);
          }
          await client.query(
            `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
             values ('size', 'Size', 'company', 'number')`,
          );
          expect(await othersObjects(client, "migrate_owner")).toEqual([]);
        });
      } finally {
        await withConnection(database.ownerUrl, async (client) => {
          await client.query("drop owned by migrate_owner cascade");
          await client.query(`alter database ${name} owner to postgres`);
          await client.query("drop role migrate_owner");
        });
      }
    });
  });

  test("each have a way back", () => {
    const migrations = join(import.meta.dirname, "../../../db/migrations");
    const sql = (folder: string) =>
      readdirSync(join(migrations, folder)).filter((name) => name.endsWith(".sql"));
    expect(sql("revert").sort()).toEqual(
      expect.arrayContaining(sql("committed").map((name) => `${name.slice(0, 6)}.sql`)),
    );
  });
});

describe("migrating", () => {
  let scratch: string;
  let committed: string;
  let folder: string;

  // Two committed migrations, made by the tool itself, to copy for each test.
  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "pgcrm-migrations-"));
    committed = join(scratch, "committed");
    for (const name of ["committed", "current", "revert"]) {
      mkdirSync(join(committed, name), { recursive: true });
    }
    await withEmptyDatabase(async ({ ownerUrl }) => {
      for (const [number, table] of [
        ["000001", "birds"],
        ["000002", "nests"],
      ] as const) {
        write(committed, "current/1-current.sql", `create table ${table} (id int primary key);\n`);
        write(committed, `revert/${number}.sql`, `drop table ${table};\n`);
        await commitCurrent({ ownerUrl, folder: committed }, table);
      }
    });
  });

  afterAll(() => rmSync(scratch, { recursive: true }));

  beforeEach(() => {
    folder = mkdtempSync(join(scratch, "case-"));
    cpSync(committed, folder, { recursive: true });
  });

  test("runs what is pending, in order, and nothing twice", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const target = { ownerUrl, folder };
      expect(await migrationStatus(target)).toEqual({
        applied: [],
        pending: ["000001-birds.sql", "000002-nests.sql"],
        uncommitted: false,
      });
      expect(await migrateDatabase(target)).toEqual(["000001-birds.sql", "000002-nests.sql"]);
      expect(await migrateDatabase(target)).toEqual([]);
      expect(await migrationStatus(target)).toEqual({
        applied: ["000001-birds.sql", "000002-nests.sql"],
        pending: [],
        uncommitted: false,
      });
    });
  });

  test("refuses a database that came another way", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const target = { ownerUrl, folder };
      await migrateDatabase(target);
      const rewrite = (assignment: string) =>
        withConnection(ownerUrl, (client) =>
          client.query(
            `update crm_migrations.migrations set ${assignment} where filename like '000002%'`,
          ),
        );
      await rewrite("hash = 'sha1:other'");
      await expect(migrateDatabase(target)).rejects.toThrow(
        "has run a migration 000002 that differs",
      );
      await rewrite("filename = '000003.sql'");
      await expect(migrateDatabase(target)).rejects.toThrow("has run migration 000003");
    });
  });

  test("refuses a database from before the first release, and says where it goes on", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const target = { ownerUrl, folder };
      await migrateDatabase(target);
      await withConnection(ownerUrl, (client) =>
        client.query(
          `update crm_migrations.migrations
           set hash = 'sha1:b4c7087cf403e5b2b8e683bf5439cb5cb42a81f0'
           where filename like '000002%'`,
        ),
      );
      await expect(migrateDatabase(target)).rejects.toThrow("before the first release");
    });
  });

  test("is done once where several servers do it at once", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const all = await Promise.all([1, 2, 3, 4].map(() => migrateDatabase({ ownerUrl, folder })));
      expect(all.flat().sort()).toEqual(["000001-birds.sql", "000002-nests.sql"]);
    });
  });

  test("says for whom it waits, and refuses to wait for who cannot migrate", async () => {
    await withEmptyDatabase(async ({ ownerUrl, serverUrl }) => {
      const hold = (url: string, work: () => Promise<void>) =>
        withConnection(url, async (client) => {
          await client.query("select pg_advisory_lock($1)", [0x70676372_6d6967n]);
          await work();
        });
      await hold(serverUrl, async () => {
        await expect(migrateDatabase({ ownerUrl, folder })).rejects.toThrow(
          /^The migration lock is held by process \d+ of crm_server, which cannot migrate\./,
        );
      });
      const told: string[] = [];
      let migrated: Promise<readonly string[]> | undefined;
      await hold(ownerUrl, async () => {
        await new Promise<void>((resolve) => {
          const report = (line: string) => {
            told.push(line);
            resolve();
          };
          migrated = migrateDatabase({ ownerUrl, folder, report });
        });
      });
      expect(await migrated).toHaveLength(2);
      expect(told[0]).toMatch(/^Another migration is running, in process \d+ of /);
    });
  });

  test("that fails midway leaves nothing behind, and works once it is put right", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const target = { ownerUrl, folder };
      await migrateDatabase(target);
      const before = await catalogOf(ownerUrl);
      const path = "committed/000003-eggs.sql";
      const sql = "create table eggs (id int primary key);\ncreate index on birds (colour);\n";
      const previous = /Hash: (\S+)/.exec(read("committed/000002-nests.sql"))?.[1] ?? "";
      const header = `--! Previous: ${previous}\n--! Hash: sha1:0\n--! AllowInvalidHash\n\n`;

      write(folder, path, header + sql);
      await expect(migrateDatabase(target)).rejects.toMatchObject({
        name: "Problem",
        message: expect.stringContaining("colour"),
      });
      expect(await catalogOf(ownerUrl)).toEqual(before);
      expect((await migrationStatus(target)).pending).toEqual(["000003-eggs.sql"]);

      write(folder, path, header + sql.replace("colour", "id"));
      expect(await migrateDatabase(target)).toEqual(["000003-eggs.sql"]);
    });
  });

  test("can be undone one step at a time", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const target = { ownerUrl, folder };
      await migrateDatabase(target);
      expect(await revertLast(target)).toBe("000002");
      expect((await migrationStatus(target)).pending).toEqual(["000002-nests.sql"]);
      expect(await revertLast(target)).toBe("000001");
      await expect(revertLast(target)).rejects.toMatchObject({ name: "Problem" });
    });
  });

  test("back restores the functions that it included, and drops those that it added", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const own = mkdtempSync(join(tmpdir(), "pgcrm-functions-"));
      const included = (file: string, ...functions: string[]) =>
        [`--! Included functions/${file}`, ...functions, `--! EndIncluded functions/${file}`].join(
          "\n",
        );
      const created = (name: string, value: string) =>
        `create or replace function ${name}() returns text language sql as $$ select '${value}' $$;`;
      const capitals =
        "CREATE FUNCTION public.\"C c\"(x int) returns int language sql as 'select 1';";
      writeMigrations(own, [
        { text: included("a.sql", created("public.a", "one")) },
        { text: included("b.sql", created("public.b", "one")) },
        {
          text: [
            included("a.sql", created("public.a", "two"), created("public.helper", "two")),
            included(
              "c.sql",
              created("public.c", "two"),
              capitals,
              capitals.replace("int)", "text)"),
            ),
            included("moved.sql", created("public.b", "two")),
            "create table eggs (id int);",
          ].join("\n"),
        },
      ]);
      // The script may call what is restored, and say where in it that happens.
      write(own, "revert/000003.sql", "drop table eggs;\nselect public.a()\n");
      write(own, "revert/000002.sql", "select 1;\n--! Functions\n");
      const target = { ownerUrl, folder: own };
      const functions = async () => {
        const { rows } = await withConnection(ownerUrl, (client) =>
          client.query<{ functions: string[] }>(
            `select array_agg(proname || ':' || btrim(prosrc) order by proname) as functions
             from pg_proc where pronamespace = 'public'::regnamespace`,
          ),
        );
        return rows[0]?.functions;
      };

      await migrateDatabase(target);
      expect(await functions()).toHaveLength(6);
      expect(await revertLast(target)).toBe("000003");
      expect(await functions()).toEqual(["a:select 'one'", "b:select 'one'"]);
      expect(await revertLast(target)).toBe("000002");
      expect(await functions()).toEqual(["a:select 'one'"]);
    });
  });

  test("back changes nothing when the way back fails", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const target = { ownerUrl, folder };
      await migrateDatabase(target);
      const before = await catalogOf(ownerUrl);
      write(folder, "revert/000002.sql", "drop table nests;\ndrop table dragons;\n");
      await expect(revertLast(target)).rejects.toMatchObject({
        message: expect.stringContaining("dragons"),
      });
      expect(await catalogOf(ownerUrl)).toEqual(before);
      expect((await migrationStatus(target)).pending).toEqual([]);
    });
  });

  test("applies uncommitted work for development, again after each change", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const target = { ownerUrl, folder };
      write(folder, "current/1-current.sql", "create table if not exists eggs (id int);\n");
      await applyCurrent(target);
      write(folder, "current/1-current.sql", "alter table eggs add if not exists size int;\n");
      await applyCurrent(target);
      expect((await catalogOf(ownerUrl)).columns).toHaveLength(4);
      expect(await migrationStatus(target)).toMatchObject({ pending: [], uncommitted: true });
    });
  });

  test("refuses to commit work without a way back", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      write(folder, "current/1-current.sql", "create table eggs (id int);\n");
      await expect(commitCurrent({ ownerUrl, folder })).rejects.toMatchObject({
        message: expect.stringContaining("revert/000003.sql"),
      });
    });
  });

  test("leaves current/ as it was when a commit fails, and drops the shadow database", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const work = "-- Eggs.\ncreate table eggs (id int);\ncreate index on birds (colour);\n";
      write(folder, "current/1-current.sql", work);
      write(folder, "revert/000003.sql", "drop table eggs;\n");
      await expect(commitCurrent({ ownerUrl, folder })).rejects.toMatchObject({
        message: expect.stringContaining("colour"),
      });
      expect(read("current/1-current.sql")).toBe(work);
      expect(readdirSync(join(folder, "committed"))).toHaveLength(2);
      const { rowCount } = await withConnection(ownerUrl, (client) =>
        client.query("select from pg_database where datname = current_database() || '_shadow'"),
      );
      expect(rowCount).toBe(0);
    });
  });

  test("can start over from nothing while others are connected", async () => {
    await withEmptyDatabase(async ({ ownerUrl }) => {
      const target = { ownerUrl, folder };
      await migrateDatabase(target);
      await withConnection(ownerUrl, async (client) => {
        client.on("error", () => undefined);
        await client.query("insert into birds values (1)");
        await resetDatabase(target);
      });
      const { rows } = await withConnection(ownerUrl, (client) => client.query("table birds"));
      expect(rows).toEqual([]);
    });
  });

  function read(path: string): string {
    return readFileSync(join(folder, path), "utf8");
  }

  function write(base: string, path: string, text: string): void {
    writeFileSync(join(base, path), text);
  }
});
