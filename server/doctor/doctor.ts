import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import type pg from "pg";

import { readCommittedMigrations } from "../migrations/committed.ts";
import { checks, checksFrom15, readDefinitions, versionFindings } from "./checks.ts";
import { readRights } from "./rights.ts";
import { rights } from "../model/generated/rights.ts";
import { appliedMigrations } from "../migrations/migrate.ts";
import { hasCode } from "../errors/problem.ts";
import { projectFolder } from "../project.ts";

const sourceFolder = join(projectFolder, "db");

/**
 * Examines an installation: its migrations, triggers, policies, roles and rights, whether its functions
 * are those of this version, collations, and PostgreSQL itself. Nothing is changed.
 *
 * To compare the functions, those of this version are made in a transaction that is rolled back, which
 * keeps writers waiting for a moment.
 *
 * @param client a connection of the database's owner, within a transaction.
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
  if (pending.length > 0) return findings; // what is not there yet cannot be examined

  for (const text of version >= 150_000 ? [...checks, ...checksFrom15] : checks) {
    const { rows: breaches } = await client.query<[string]>({ text, rowMode: "array" });
    findings.push(...breaches.flat().sort());
  }
  findings.push(...(await rightFindings(client)));
  if (!(await isStandby(client))) findings.push(...(await definitionFindings(client)));
  return findings;
}

/**
 * What whoever looks after the installation should know, though nothing is wrong with it.
 *
 * @param isEmbedded whether it is the embedded database.
 */
export async function examineCircumstances(
  client: pg.ClientBase,
  isEmbedded: boolean,
): Promise<string[]> {
  const notes: string[] = [];
  if (await isStandby(client)) {
    notes.push(
      "This is a standby: whether its functions, views and triggers are those of this version can " +
        "be seen on its primary only.",
    );
  }
  if (isEmbedded) {
    const { rows } = await client.query<{ major: number }>(
      "select current_setting('server_version_num')::int / 10000 as major",
    );
    const major = rows[0]?.major ?? 0;
    const dump = dumpVersion();
    if (dump === undefined || dump < major) {
      const found = dump === undefined ? "there is no pg_dump" : `its pg_dump ${dump} is too old`;
      notes.push(
        `The embedded database cannot be backed up with what is on this machine: ${found}; it takes ` +
          `pg_dump ${major} or newer. For data that matter use a PostgreSQL of your own.`,
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

/** The major release of the pg_dump that is found on this machine. */
function dumpVersion(): number | undefined {
  const { stdout } = spawnSync("pg_dump", ["--version"], { encoding: "utf8" });
  const version = /(\d+)/.exec(stdout)?.[1];
  return version === undefined ? undefined : Number(version);
}

/**
 * Whether a database has run the migrations of this version, and whether these are as they were
 * committed.
 *
 * @param folder the one that holds `committed/`.
 */
export async function migrationFindings(
  client: pg.ClientBase,
  folder = join(sourceFolder, "migrations"),
): Promise<{ differ: string[]; pending: string[] }> {
  const applied = await appliedMigrations(client);
  const committed = await readCommittedMigrations(folder);
  const differ = applied.flatMap(({ number, hash }) => {
    const known = committed.find((migration) => migration.number === number);
    if (known === undefined) return [`migration ${number} is not one of this version`];
    return known.hash === hash ? [] : [`migration ${known.name} was another one when it was run`];
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
  return [
    ...[...found].filter((right) => !expected.has(right)).map((right) => `${right}, too much`),
    ...rights
      .filter((right) => !found.has(right))
      .map((right) => `${right}, but has no such right`),
  ];
}

/**
 * Whether functions, views and triggers are what the sources of this version make. They are compared
 * by what PostgreSQL makes of them, and again by what it makes of that: a dump holds them so, and what
 * it restores means the same in other words.
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
      ? "; npx pgcrm field compile makes it of the definitions that there are"
      : "";
    return `${name} is not that of this version${remedy}`;
  });
}

/** How often a definition may have been dumped and restored; it does not change after the second time. */
const maxDumps = 3;

/** The conditions of a name that leads nowhere: of a table, a column, a function, anything else. */
const undefinedNames = ["42P01", "42703", "42883", "42704"];

/** Does something that leaves nothing behind; tells why, where it cannot be done. */
async function tryOut<Result>(
  client: pg.ClientBase,
  work: () => Promise<Result>,
): Promise<Result | string> {
  await client.query("savepoint try_out");
  try {
    return await work();
  } catch (error) {
    if (hasCode(error, "55P03")) return "tables are locked; try again";
    if (hasCode(error, ...undefinedNames)) return "something that they need is missing";
    throw error;
  } finally {
    await client.query("rollback to savepoint try_out");
  }
}
