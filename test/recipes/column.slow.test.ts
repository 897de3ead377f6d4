import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withConnection } from "../../server/postgres/connect.ts";
import { commitCurrent, migrateDatabase, revertLast } from "../../server/migrations/migrate.ts";
import { missingHeaderLines } from "../../server/migrations/header.ts";
import { readCatalog } from "../helpers/catalog.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  withRollback,
} from "../helpers/database.ts";
import type { Block } from "../helpers/documents.ts";
import {
  blockWith,
  createScratchProject,
  readRecipe,
  type ScratchProject,
} from "../helpers/recipes.ts";
import { refusal } from "../helpers/refusal.ts";
import { startTestServer, type TestServer } from "../helpers/server.ts";

/*
 * docs/contributing/add-a-column.md, followed word by word in a copy of the project: afterwards everything that
 * works on whole rows has the column, though none of it was told.
 */

const blocks: Block[] = await readRecipe("docs/contributing/add-a-column.md");
const up = blockWith(blocks, "add column if not exists job_title");
const down = blockWith(blocks, "drop column job_title");
const validate = blockWith(blocks, "validate constraint");
const index = blockWith(blocks, "create index if not exists");
const dropIndex = blockWith(blocks, "drop index");
const ofDeal = blockWith(blocks, "alter type crm.new_deal add attribute");

let project: ScratchProject;
let database: TestDatabase;
let migrations: string;

const write = (path: string, text: string) => writeFileSync(join(migrations, path), text);
const next = () => {
  const numbers = readdirSync(join(migrations, "committed")).map((name) => name.slice(0, 6));
  return String(Number(numbers.sort().at(-1)) + 1).padStart(6, "0");
};

beforeAll(async () => {
  project = createScratchProject();
  migrations = join(project.folder, "db", "migrations");
  database = await createTestDatabase("template0");
});
afterAll(async () => {
  await database.drop();
  project.remove();
});

test("each migration is committed with the way back of the number that the recipe says", async () => {
  const target = () => ({ ownerUrl: database.ownerUrl, folder: migrations });
  await migrateDatabase(target());
  const catalogs = [await withConnection(database.ownerUrl, readCatalog)];
  const steps: [way: string, back: string, way_back: string][] = [
    [up, "In `revert/", down],
    [validate, "There is nothing to undo in `revert/", blockWith(blocks, "may stay")],
    [index, "And in `revert/", dropIndex],
  ];
  for (const [way, words, back] of steps) {
    const named = blocks.find(({ text }) => text === back)?.before;
    expect(named).toContain(`${words}${next()}.sql`);
    expect(way).toContain(`Undone by: revert/${next()}.sql`);
    expect(missingHeaderLines(way)).toEqual([]);
    write("current/1-current.sql", way);
    await expect(commitCurrent(target())).rejects.toThrow(`revert/${next()}.sql`);
    write(`revert/${next()}.sql`, back);
    await commitCurrent(target(), "job titles");
    catalogs.push(await withConnection(database.ownerUrl, readCatalog));
  }

  // That of the table, and that of the view that rows are copied through.
  expect(catalogs[1]?.columns.length).toBe((catalogs[0]?.columns.length ?? 0) + 2);
  expect(catalogs[3]?.indexes.length).toBe((catalogs[0]?.indexes.length ?? 0) + 1);
  await revertLast(target());
  expect(await withConnection(database.ownerUrl, readCatalog)).toEqual(catalogs[2]);
  await revertLast(target());
  await revertLast(target());
  expect(await withConnection(database.ownerUrl, readCatalog)).toEqual(catalogs[0]);
  expect(await migrateDatabase(target())).toHaveLength(3);
  expect(await withConnection(database.ownerUrl, readCatalog)).toEqual(catalogs[3]);
}, 120_000);

test("neither the table nor an index is written anew, and the check is asked later", () =>
  withRollback(async (client) => {
    await client.query("insert into crm.contacts (first_name, last_name) values ('Ada', 'King')");
    const files = async () =>
      (
        await client.query<{ oid: string; pg_relation_filenode: string }>(
          `select oid::regclass, pg_relation_filenode(oid) from pg_class
           where relkind in ('r', 'i') and relname like 'contacts%' order by 1`,
        )
      ).rows;
    const before = await files();
    expect(before.length).toBeGreaterThan(5);
    await client.query(up);
    expect(await files()).toEqual(before);
    expect(
      (
        await client.query(
          "select convalidated from pg_constraint where conname = 'contacts_job_title_length'",
        )
      ).rows,
    ).toEqual([{ convalidated: false }]);
    await client.query(up);
    await client.query(validate);
    expect(await files()).toEqual(before);
  }));

test("until the first release the column goes into the sources, and comes out the same", async () => {
  const release = createScratchProject();
  const scratch = await createTestDatabase("template0");
  try {
    const path = join(release.folder, "db", "tables", "contacts.sql");
    const one = (pattern: RegExp) => pattern.exec(up)?.[1] ?? "nothing";
    const column = one(/add column if not exists ([^;]*);/);
    const check = one(/add (constraint [^;]*) not valid;/);
    const others = up
      .slice(up.indexOf("comment on column"), up.indexOf("select crm_private.compile_stamps"))
      .trim();
    expect(others).toContain("grant insert");
    const source = readFileSync(path, "utf8")
      .replace(/,?(\n\n {2}constraint contacts_pkey)/, `,\n  ${column},$1`)
      .replace(/\n\);\n/, `,\n  ${check}\n);\n`);
    writeFileSync(path, [source, others, index].join("\n"));
    await release.run("node scripts/compose-release.ts");

    const folder = join(release.folder, "db", "migrations");
    await migrateDatabase({ ownerUrl: scratch.ownerUrl, folder });
    expect(await withConnection(scratch.ownerUrl, readCatalog)).toEqual(
      await withConnection(database.ownerUrl, readCatalog),
    );
  } finally {
    await scratch.drop();
    release.remove();
  }
}, 120_000);

test("the project's own tests find nothing, once what is generated has been generated", async () => {
  await project.run("npm run schema:print && npm run generate && npm run docs");
  await project.run(
    "npm run test:only -- --maxWorkers=1 --testTimeout=120000 test/db/schema/catalog " +
      "test/server/model/generate-types test/server/graphql/schema/schema-current test/project/docs",
    process.env.PGCRM_TEST_POSTGRES === undefined
      ? {}
      : { PGCRM_TEST_POSTGRES: process.env.PGCRM_TEST_POSTGRES },
  );
}, 600_000);

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

async function addContact(client: pg.ClientBase, number: number, title: string | null) {
  await client.query(
    `insert into crm.contacts (id, first_name, last_name, job_title, external_ids)
     values ($1, 'Ada', 'King', $2, array[('hub', $3)::crm.external_id])`,
    [id(number), title, `c${number}`],
  );
}

describe("in SQL", () => {
  const inside = (work: (client: pg.Client) => Promise<void>) =>
    withRollback(work, database.ownerUrl);
  const titleOf = async (client: pg.ClientBase, from: string, values: unknown[] = []) =>
    (await client.query<{ job_title: string | null }>(`select job_title from ${from}`, values))
      .rows[0]?.job_title;

  test("a rule that is broken is told with its field, among all others", () =>
    inside(async (client) => {
      expect(
        await refusal(
          client,
          `insert into crm.contacts (first_name, last_name, job_title)
           values ('', 'King', repeat('x', 256))`,
        ),
      ).toMatchObject({
        fields: {
          firstName: ["must not be blank"],
          jobTitle: ["must have at most 255 characters"],
        },
      });
    }));

  test("the functions that return rows return it", () =>
    inside(async (client) => {
      await addContact(client, 1, "Countess");
      expect(await titleOf(client, "crm.contact_by_external_id('hub', 'c1')")).toBe("Countess");
      expect(await titleOf(client, "crm.contact_as_of($1, now())", [id(1)])).toBe("Countess");
    }));

  test("a merge carries the first one's over, or the one that is chosen", () =>
    inside(async (client) => {
      await addContact(client, 1, null);
      await addContact(client, 2, null);
      await addContact(client, 3, "Countess");
      await addContact(client, 4, "Mother");
      await asRole(client, "crm_member", "ada");
      await client.query("select crm.merge_contacts($1, $2)", [id(1), [id(2), id(3)]]);
      expect(await titleOf(client, "crm.contacts where id = $1", [id(1)])).toBe("Countess");
      await client.query("select crm.merge_contacts($1, $2, $3)", [
        id(1),
        [id(4)],
        { jobTitle: "Author" },
      ]);
      expect(await titleOf(client, "crm.contacts where id = $1", [id(1)])).toBe("Author");
    }));

  test("it is logged, undone, restored, and told as of a time", () =>
    inside(async (client) => {
      await addContact(client, 1, "Countess");
      await client.query("select pg_sleep(0.01)");
      const {
        rows: [between],
      } = await client.query<{ at: Date }>("select clock_timestamp() as at");
      await client.query("update crm.contacts set job_title = 'Author' where id = $1", [id(1)]);
      const { rows: entries } = await client.query<{ id: string; changes: object }>(
        "select id, changes from crm.audit_logs where action = 'update' and entity_id = $1",
        [id(1)],
      );
      expect(entries).toMatchObject([
        { changes: { job_title: { old: "Countess", new: "Author" } } },
      ]);
      expect(await titleOf(client, "crm.contact_as_of($1, $2)", [id(1), between?.at])).toBe(
        "Countess",
      );

      await client.query("select crm.undo_entry($1)", [entries[0]?.id]);
      expect(await titleOf(client, "crm.contacts where id = $1", [id(1)])).toBe("Countess");
      await client.query(
        "update crm.contacts set job_title = 'Poet', last_name = 'Byron' where id = $1",
        [id(1)],
      );
      await client.query(
        `select crm.undo_field('contact', $1, 'jobTitle', max(id)) from crm.audit_logs
         where entity_id = $1`,
        [id(1)],
      );
      const { rows } = await client.query("select job_title, last_name from crm.contacts");
      expect(rows).toEqual([{ job_title: "Countess", last_name: "Byron" }]);
    }));

  test("a deleted row comes back with it", () =>
    inside(async (client) => {
      await addContact(client, 1, "Countess");
      await client.query("delete from crm.contacts where id = $1", [id(1)]);
      await client.query("select crm.restore_deleted('contact', $1)", [id(1)]);
      expect(await titleOf(client, "crm.contacts where id = $1", [id(1)])).toBe("Countess");
    }));

  test("bulk writes create, update and upsert it, and tell its faults", () =>
    inside(async (client) => {
      await asRole(client, "crm_member", "ada");
      const bulk = async (operation: string, item: object) =>
        client.query("select * from crm_private.write_rows('contact', $1, $2)", [
          operation,
          JSON.stringify([item]),
        ]);
      const external_id = { source: "hub", id: "c1" };
      await bulk("upsert", { first_name: "Ada", last_name: "King", job_title: "A", external_id });
      expect(await titleOf(client, "crm.contacts")).toBe("A");
      await bulk("upsert", { job_title: "B", external_id });
      expect(await titleOf(client, "crm.contacts")).toBe("B");
      const { rows } = await client.query<{ id: string }>("select id from crm.contacts");
      await bulk("update", { id: rows[0]?.id, job_title: "C" });
      expect(await titleOf(client, "crm.contacts")).toBe("C");
      expect(
        await refusal(client, "select crm_private.write_rows('contact', 'update', $1)", [
          JSON.stringify([{ id: rows[0]?.id, job_title: "x".repeat(256) }]),
        ]),
      ).toMatchObject({ detail: expect.stringContaining("jobTitle") });
    }));
});

describe("in the API", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(database.serverUrl);
  });
  afterAll(() => server.close());

  test("it is written, read, filtered, ordered, written in bulk and merged", async () => {
    const winner = await server.create("contact", { firstName: "Ada", lastName: "King" });
    const loser = await server.create("contact", {
      firstName: "Ada",
      lastName: "King",
      jobTitle: "Countess",
    });
    const found = await server.graphql<{ contacts: { nodes: { id: string }[] } }>(
      `{ contacts(filter: { jobTitle: { equalTo: "Countess" } }, orderBy: JOB_TITLE_DESC) {
        nodes { id } } }`,
    );
    expect(found.data?.contacts.nodes).toEqual([{ id: loser }]);

    const merged = await server.graphql(
      `mutation { mergeContacts(input: { winner: "${winner}", losers: ["${loser}"] }) {
        contactMerge { contact { jobTitle } } } }`,
    );
    expect(merged).toMatchObject({
      data: { mergeContacts: { contactMerge: { contact: { jobTitle: "Countess" } } } },
    });

    const updated = await server.graphql(
      `mutation { updateContact(input: { id: "${winner}", patch: { jobTitle: "Author" } }) {
        contact { jobTitle fieldHistory(field: "jobTitle") { totalCount } } } }`,
    );
    expect(updated).toMatchObject({
      data: { updateContact: { contact: { jobTitle: "Author", fieldHistory: { totalCount: 3 } } } },
    });

    const bulk = await server.graphql(
      `mutation { updateContacts(input: { contacts: [{ id: "${winner}", jobTitle: "Poet" }] }) {
        contacts { jobTitle } } }`,
    );
    expect(bulk).toMatchObject({ data: { updateContacts: { contacts: [{ jobTitle: "Poet" }] } } });
  });
});

test("the repositories of the copy have it", async () => {
  writeFileSync(
    join(project.folder, "recipe.ts"),
    `import { createPool, createRepository } from "./server/client.ts";
     const pool = createPool({ connectionString: process.env.SERVER_URL ?? "" });
     const contacts = createRepository(pool, "contact");
     const made = await contacts.create({ firstName: "Ada", lastName: "King", jobTitle: "A" }, "ada");
     const changed = await contacts.update(made.id, { jobTitle: "B" }, "ada");
     const found = await contacts.findAll({ jobTitle: { equalTo: "B" } });
     console.log(JSON.stringify([made.jobTitle, changed.jobTitle, found.map((row) => row.jobTitle)]));
     await pool.end();\n`,
  );
  const printed = await project.run("node recipe.ts", { SERVER_URL: database.serverUrl });
  expect(JSON.parse(printed)).toEqual(["A", "B", ["B"]]);
});

test("a custom field of the column's name gets another name in the API, and its own back", () =>
  withRollback(async (client) => {
    const served = async () =>
      (
        await client.query<{ name: string }>(
          `select substring(obj_description(oid, 'pg_proc') from '@fieldName (\\w+)') as name
           from pg_proc where pronamespace = 'crm_custom'::regnamespace`,
        )
      ).rows;
    await client.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('job_title', 'Job', 'contact', 'text')`,
    );
    expect(await served()).toEqual([{ name: "jobTitle" }]);
    await client.query(up);
    expect(await served()).toEqual([{ name: "customJobTitle" }]);
    await client.query(down);
    expect(await served()).toEqual([{ name: "jobTitle" }]);
  }));

test("a deal that is created with its tasks can have a column that joined both", () =>
  withRollback(async (client) => {
    await client.query(
      `alter table crm.deals add column competitor text default 'nobody';
       grant insert (competitor), update (competitor) on crm.deals to crm_member;`,
    );
    await client.query(ofDeal);
    await client.query(ofDeal);
    const { rows: companies } = await client.query<{ id: string }>(
      "insert into crm.companies (name) values ('Acme') returning id",
    );
    await asRole(client, "crm_member", "ada");
    const create = async (more: object) =>
      (
        await client.query<{ competitor: string; currency: string }>(
          `select competitor, currency from crm.create_deal_with_tasks(
             jsonb_populate_record(null::crm.new_deal, $1),
             array(select jsonb_populate_record(null::crm.new_task, '{"description": "Call"}')))`,
          [{ title: "Engine", company_id: companies[0]?.id, value: 1, stage: "Won", ...more }],
        )
      ).rows;
    expect(await create({ competitor: "IBM" })).toEqual([{ competitor: "IBM", currency: "USD" }]);
    expect(await create({})).toEqual([{ competitor: "nobody", currency: "USD" }]);
    await client.query("reset role");
    await client.query("alter type crm.new_deal drop attribute competitor");
  }));
