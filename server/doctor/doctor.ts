import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import type pg from "pg";

import { readCommittedMigrations } from "../migrations/committed.ts";
import { checks, checksFrom15, readDefinitions, versionFindings } from "./checks.ts";
import { readRights } from "./rights.ts";
import { rights } from "../model/generated/rights.ts";
import { tables } from "../model/generated/tables.ts";
import { appliedMigrations } from "../migrations/migrate.ts";
import { hasCode } from "../errors/problem.ts";
import { projectFolder } from "../project.ts";

const sourceFolder = join(projectFolder, "db");

/**
 * Checks an installation: migrations, triggers, policies, roles and rights, functions, collations, and
 * the version of PostgreSQL. Changes nothing.
 *
 * To compare the functions, it creates those of this version in a subtransaction and rolls it back. This
 * blocks writers for a moment.
 *
 * @param client a connection of the database owner, within a transaction.
 * @returns a sentence for each finding.
 */
export async function examine(client: pg.ClientBase): Promise<string[]> {
  const findings: string[] = [];
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  );
  const version = rows[0]?.version ?? 0;
  findings.push(...versionFindings(version, new Date()));

  const { differ, pending } = await migrationFindings(client);
  findings.push(...differ, ...pending);
  if (pending.length > 0) return findings; // objects that do not exist yet cannot be checked

  for (const text of version >= 150_000 ? [...checks, ...checksFrom15] : checks) {
    const { rows: breaches } = await client.query<[string]>({ text, rowMode: "array" });
    findings.push(...breaches.flat().sort());
  }
  findings.push(...(await rightFindings(client)));
  if (!(await isStandby(client))) findings.push(...(await definitionFindings(client)));
  return findings;
}

/**
 * Returns notes for the operator about circumstances that are not faults.
 *
 * @param client a connection to the database.
 * @param isEmbedded whether it is the embedded database.
 */
export async function examineCircumstances(
  client: pg.ClientBase,
  isEmbedded: boolean,
): Promise<string[]> {
  const notes: string[] = [];
  if (await isStandby(client)) {
    notes.push(
      "This is a standby: its functions, views and triggers can be compared with those of this version " +
        "on its primary only.",
    );
  }
  if (isEmbedded) {
    const { rows } = await client.query<{ major: number }>(
      "select current_setting('server_version_num')::int / 10000 as major",
    );
    const major = rows[0]?.major ?? 0;
    const dump = dumpVersion();
    if (dump === undefined || dump < major) {
      const found = dump === undefined ? "pg_dump is not installed" : `pg_dump ${dump} is too old`;
      notes.push(
        `The embedded database cannot be backed up on this machine: ${found}; pg_dump ${major} or newer ` +
          "is required. For important data, use your own PostgreSQL server.",
      );
    }
  }
  return notes;
}

async function isStandby(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ standby: boolean }>(
    "select pg_is_in_recovery() as standby",
  );
  return rows[0]?.standby === true;
}

/** Returns the major release of the installed pg_dump; undefined if there is none. */
function dumpVersion(): number | undefined {
  const { stdout } = spawnSync("pg_dump", ["--version"], { encoding: "utf8" });
  const version = /(\d+)/.exec(stdout)?.[1];
  return version === undefined ? undefined : Number(version);
}

/**
 * Compares the migrations that a database has run with those of this version, and these with their hashes.
 *
 * @param client a connection to the database.
 * @param folder the folder that contains `committed/`.
 * @returns findings about differences, and about migrations that have not been run.
 */
export async function migrationFindings(
  client: pg.ClientBase,
  folder = join(sourceFolder, "migrations"),
): Promise<{ differ: string[]; pending: string[] }> {
  const applied = await appliedMigrations(client);
  const committed = await readCommittedMigrations(folder);
  const differ = applied.flatMap(({ number, hash }) => {
    const known = committed.find((migration) => migration.number === number);
    if (known === undefined) return [`migration ${number} does not belong to this version`];
    return known.hash === hash ? [] : [`migration ${known.name} differs from the one that was run`];
  });
  differ.push(
    ...committed
      .filter(({ isIntact }) => !isIntact)
      .map(({ name }) => `migration ${name} was edited after it was committed; restore the file`),
  );
  const pending = committed
    .filter(({ number }) => !applied.some((migration) => migration.number === number))
    .map(({ name }) => `migration ${name} has not been run`);
  return { differ, pending };
}

async function rightFindings(client: pg.ClientBase): Promise<string[]> {
  const found = new Set(await readRights(client));
  const expected = new Set(rights);
  const compiled = await rightsOfRegistered(client);
  return [
    ...[...found]
      .filter((right) => !expected.has(right) && !compiled.has(unquoted(withoutColumns(right))))
      .map((right) => `unexpected right: ${right}`),
    ...rights.filter((right) => !found.has(right)).map((right) => `missing right: ${right}`),
  ];
}

/**
 * Returns the rights on what is compiled for the entities that an application has registered, without
 * columns: those on what is compiled for deals, with the names of the other entity.
 */
async function rightsOfRegistered(client: pg.ClientBase): Promise<Set<string>> {
  const { rows } = await client.query<{ type: string; table: string }>(
    `select entity_type as type, relname as table
     from crm_private.entity_types
     join pg_class on pg_class.oid = entity_table
     where entity_type <> all ($1)`,
    [Object.values(tables).map(({ entityType }) => entityType)],
  );
  const compiled =
    /(?<=crm\.)deal(?=_as_of|_by_external_id)|(?<=crm\.)deals(?=_history|_field_history|_by_external_ids)|(?<=crm_private\.)deals(?=_hold|_custom_fields_hold|_copy)|(?<=reporting\.)deals(?= |$)/;
  const ofDeals = rights.filter((right) => compiled.test(right)).map(withoutColumns);
  return new Set(
    rows.flatMap(({ type, table }) =>
      ofDeals.map((right) => right.replace(compiled, (name) => (name === "deal" ? type : table))),
    ),
  );
}

/** Returns a right with names as they are in the catalog; `format('%I')` quotes capitals and key words. */
function unquoted(right: string): string {
  return right.replace(/"((?:[^"]|"")+)"/g, (_, name: string) => name.replaceAll('""', '"'));
}

function withoutColumns(right: string): string {
  return right.replace(/ \(.*\)$/, "");
}

/**
 * Compares functions, views and triggers with those that the sources of this version create. The texts
 * that PostgreSQL returns for them are compared. A restored dump contains these texts, from which
 * PostgreSQL derives other texts of the same meaning, so the comparison is repeated with those.
 */
async function definitionFindings(client: pg.ClientBase): Promise<string[]> {
  const before = await readDefinitions(client);
  const differing = await tryOut(client, async () => {
    await client.query("set local lock_timeout = '3s'");
    for (const kind of ["functions", "views", "triggers"]) {
      const folder = join(sourceFolder, kind);
      const names = await readdir(folder, { recursive: true });
      for (const name of names.filter((path) => path.endsWith(".sql")).sort()) {
        await client.query(await readFile(join(folder, name), "utf8"));
      }
    }
    await client.query(
      `select crm_private.compile_custom_fields(entity_type)
         from crm_private.entity_types
         where has_custom_fields`,
    );
    let expected = await readDefinitions(client);
    const isAsExpected = (name: string) =>
      before.get(name)?.definition === expected.get(name)?.definition;
    let names = [...expected.keys()].filter((name) => !isAsExpected(name));
    for (let dump = 1; dump <= maxDumps && names.length > 0; dump += 1) {
      for (const name of names) {
        const restore = before.has(name) ? expected.get(name)?.restore : null;
        if (restore != null) await client.query(restore);
      }
      expected = await readDefinitions(client);
      names = names.filter((name) => !isAsExpected(name));
    }
    return names;
  });
  if (typeof differing === "string") {
    return [`the functions could not be compared, because ${differing}`];
  }
  return differing.map((name) => {
    if (!before.has(name)) return `${name} is missing`;
    const remedy = name.endsWith("_custom_fields_hold")
      ? "; npx pgcrm field compile compiles it from the definitions"
      : "";
    return `${name} differs from that of this version${remedy}`;
  });
}

/** How often a definition may have been dumped and restored. It no longer changes after the second time. */
const maxDumps = 3;

/** The conditions of an undefined name: of a table, a column, a function, another object. */
const undefinedNames = ["42P01", "42703", "42883", "42704"];

/** Runs work and rolls it back. Returns a reason instead of the result if the work is impossible. */
async function tryOut<Result>(
  client: pg.ClientBase,
  work: () => Promise<Result>,
): Promise<Result | string> {
  await client.query("savepoint try_out");
  try {
    return await work();
  } catch (error) {
    if (hasCode(error, "55P03")) return "tables are locked; try again";
    if (hasCode(error, ...undefinedNames)) return "an object that they use is missing";
    throw error;
  } finally {
    await client.query("rollback to savepoint try_out");
  }
}
