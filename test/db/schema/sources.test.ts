import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

import { describe, expect, test } from "@jest/globals";

import { committedRelease, composeRelease } from "../../../scripts/compose-release.ts";
import { readCatalog } from "../../helpers/catalog.ts";
import { withRollback } from "../../helpers/database.ts";

const folder = resolve(import.meta.dirname, "../../../db");
const kinds = ["types", "functions", "tables", "views", "triggers"];

async function sources(): Promise<{ name: string; sql: string }[]> {
  const files = await Promise.all(
    kinds.map(async (kind) =>
      (await readdir(join(folder, kind), { recursive: true }))
        .filter((file) => file.endsWith(".sql"))
        .sort()
        .map((file) => join(kind, file)),
    ),
  );
  return Promise.all(
    files.flat().map(async (name) => ({ name, sql: await readFile(join(folder, name), "utf8") })),
  );
}

test("the first release is composed of the present sources, all of them", async () => {
  expect(committedRelease() === composeRelease()).toBe(true); // npm run db:compose
  const included = [...committedRelease().matchAll(/^--! Included (\S+)$/gm)].map(
    ([, name]) => name,
  );
  expect(included.sort()).toEqual((await sources()).map(({ name }) => name).sort());
});

test("a migrated database holds what the folders of db say", () =>
  withRollback(async (client) => {
    const before = await readCatalog(client);
    for (const { sql } of await sources()) await client.query(sql);
    expect(await readCatalog(client)).toEqual(before);
  }));

test("everything in a migrated database has its file", () =>
  withRollback(async (client) => {
    const text = (await sources()).map(({ sql }) => sql).join("\n");
    const { rows } = await client.query<{ name: string }>(
      `select proc.oid::regproc::text as name
       from pg_proc as proc
       where proc.pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
         -- These are compiled; the functions that compile them have their files.
         and proc.proname !~ '_(hold|validate|audit_log|stamp|copied|history|history_is_complete|as_of|by_external_ids?|merged_into)$'
       union all
       select oid::regclass::text
       from pg_class
       where relkind = any (array['v', 'r', 'p', 'c'])
         and not relispartition
         and relnamespace in (
           'crm'::regnamespace, 'crm_private'::regnamespace, 'reporting'::regnamespace
         )
         -- The views of entities are compiled, too.
         and relname !~ '^(companies|contacts|deals)$|_copy$'
       union all
       select distinct tgname::text
       from pg_trigger
       where not tgisinternal`,
    );
    expect(rows.map(({ name }) => name).filter((name) => !text.includes(name))).toEqual([]);
  }));

test("a file is called like what it defines", async () => {
  for (const { name, sql } of await sources()) {
    if (name.startsWith("triggers")) continue;
    const defined = [
      ...sql.matchAll(
        /^ *(?:create or replace (?:function|aggregate|view)|create (?:unlogged )?table if not exists|create type) \w+\.(\w+)/gm,
      ),
    ];
    // One of the API stands beside the one that it calls.
    expect([name, ...new Set(defined.map(([, object]) => object))]).toEqual([
      name,
      basename(name, ".sql"),
    ]);
  }
});

describe("the folders of functions", () => {
  const functions = async () =>
    (await sources())
      .filter(({ name }) => name.startsWith("functions/"))
      .map(({ name, sql }) => ({
        name: basename(name, ".sql"),
        room: basename(dirname(name)),
        sql,
      }));
  const readme = (...path: string[]) =>
    readFile(join(folder, "functions", ...path, "README.md"), "utf8");
  const rooms = async () =>
    [...(await readme()).matchAll(/^\| \[\w+\]\((\w+)\/README\.md\)/gm)].map(
      ([, room = ""]) => room,
    );

  test("hold each function once, in one of the folders that are listed", async () => {
    const all = await functions();
    expect(all.map(({ name }) => name).sort()).toEqual(
      [...new Set(all.map(({ name }) => name))].sort(),
    );
    expect([...new Set(all.map(({ room }) => room))].sort()).toEqual((await rooms()).sort());
  });

  test("say what they are for, and name only functions that exist", async () => {
    const names = new Set((await functions()).map(({ name }) => name));
    for (const room of await rooms()) {
      const named = [...(await readme(room)).matchAll(/`([a-z_]+)`/g)].map(([, name = ""]) => name);
      expect([room, named.length > 0]).toEqual([room, true]);
      expect([room, named.filter((name) => !names.has(name))]).toEqual([room, []]);
    }
  });

  test("call only those above them in the list, but for the exception that it names", async () => {
    const all = await functions();
    const places = new Map((await rooms()).map((room, place) => [room, place]));
    const placeOf = new Map(all.map(({ name, room }) => [name, places.get(room) ?? NaN]));
    const upwards = all.flatMap(({ name, room, sql }) =>
      [...sql.replaceAll(/\/\*[^]*?\*\/|--.*/g, "").matchAll(/\bcrm(?:_private)?\.(\w+)/g)]
        .map(([, called = ""]) => called)
        .filter((called) => (placeOf.get(called) ?? -1) > (places.get(room) ?? NaN))
        .map((called) => `${name} calls ${called}`),
    );
    expect([...new Set(upwards)]).toEqual(["row_faults calls custom_field_faults"]);
  });
});

test("every error that SQL raises has a code, its schema, a constraint and a hint", async () => {
  const raises = (await sources()).flatMap(({ name, sql }) =>
    [...sql.matchAll(/raise exception (?:'(?:[^']|'')*'|[^';])*;/g)].map(([text]) => ({
      name,
      lacks: ["errcode", "schema", "constraint", "hint"].filter(
        (part) => !new RegExp(`\\b${part}\\s*=`).test(text),
      ),
    })),
  );
  expect(raises.length).toBeGreaterThan(40);
  expect(raises.filter(({ lacks }) => lacks.length > 0)).toEqual([]);
});
