import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import { expect, test } from "@jest/globals";

import { readCatalog } from "../helpers/catalog.ts";
import { withRollback } from "../helpers/database.ts";

const folder = resolve(import.meta.dirname, "../../db");
const kinds = ["functions", "views", "triggers"];

async function sources(): Promise<{ name: string; sql: string }[]> {
  const files = await Promise.all(
    kinds.map(async (kind) =>
      (await readdir(join(folder, kind))).sort().map((file) => join(kind, file)),
    ),
  );
  return Promise.all(
    files.flat().map(async (name) => ({ name, sql: await readFile(join(folder, name), "utf8") })),
  );
}

test("a migrated database holds what db/functions, db/views and db/triggers say", () =>
  withRollback(async (client) => {
    const before = await readCatalog(client);
    for (const { sql } of await sources()) await client.query(sql);
    expect(await readCatalog(client)).toEqual(before);
  }));

test("every function, view and trigger of a migrated database has its file", () =>
  withRollback(async (client) => {
    const text = (await sources()).map(({ sql }) => sql).join("\n");
    const { rows } = await client.query<{ name: string }>(
      `select proc.oid::regproc::text as name
       from pg_proc as proc
       where proc.pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
         -- These are compiled; the functions that compile them have their files.
         and proc.proname !~ '_(hold|validate|journal|stamp)$'
       union all
       select oid::regclass::text
       from pg_class
       where relkind = 'v'
         and relnamespace in (
           'crm'::regnamespace, 'crm_private'::regnamespace, 'reporting'::regnamespace
         )
       union all
       select distinct tgname::text
       from pg_trigger
       where not tgisinternal`,
    );
    expect(rows.map(({ name }) => name).filter((name) => !text.includes(name))).toEqual([]);
  }));

test("a file of functions is called like what it defines", async () => {
  for (const { name, sql } of await sources()) {
    if (!name.startsWith("functions")) continue;
    const defined = [...sql.matchAll(/^create or replace function crm(?:_private)?\.(\w+)/gm)];
    // One of the API stands beside the one that it calls.
    expect([name, ...new Set(defined.map(([, function_]) => function_))]).toEqual([
      name,
      name.replace(/^functions\/|\.sql$/g, ""),
    ]);
  }
});
