import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import type pg from "pg";

import { readCommittedMigrations } from "./committedMigrations.ts";
import { checks, checksFrom15, readDefinitions, versionFindings } from "./doctor/checks.ts";
import { readRights } from "./doctor/rights.ts";
import { rights } from "./generated/rights.ts";
import { appliedMigrations } from "./migrate.ts";
import { hasCode } from "./problem.ts";

const sourceFolder = resolve(import.meta.dirname, "..", "db");

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
  findings.push(...(await definitionFindings(client)));
  return findings;
}

async function migrationFindings(
  client: pg.ClientBase,
): Promise<{ differ: string[]; pending: string[] }> {
  const applied = await appliedMigrations(client);
  const committed = await readCommittedMigrations(join(sourceFolder, "migrations"));
  const differ = applied.flatMap(({ number, hash }) => {
    const known = committed.find((migration) => migration.number === number);
    if (known === undefined) return [`migration ${number} is not one of this version`];
    return known.hash === hash ? [] : [`migration ${known.name} was another one when it was run`];
  });
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

/** Whether functions, views and triggers are what the sources of this version make. */
async function definitionFindings(client: pg.ClientBase): Promise<string[]> {
  const before = await readDefinitions(client);
  const after = await tryOut(client, async () => {
    await client.query("set local lock_timeout = '3s'");
    for (const kind of ["functions", "views", "triggers"]) {
      const folder = join(sourceFolder, kind);
      for (const name of (await readdir(folder)).sort()) {
        await client.query(await readFile(join(folder, name), "utf8"));
      }
    }
    await client.query(
      `select crm_private.compile_custom_fields(entity_type)
         from unnest('{contact,company,deal}'::text[]) as entity_type`,
    );
    return readDefinitions(client);
  });
  if (typeof after === "string") return [`the functions could not be compared, because ${after}`];
  return [...after].flatMap(([name, definition]) => {
    const present = before.get(name);
    if (present === undefined) return [`${name} is missing`];
    return present === definition ? [] : [`${name} is not that of this version`];
  });
}

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
