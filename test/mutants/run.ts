/**
 * Breaks every trigger, constraint, policy, index and view of the schema once, each alone, and runs the
 * tests that are to notice. Says which survive: rules that nothing would miss.
 *
 *   npm run test:mutants                      all of them, which takes hours
 *   npm run test:mutants -- 'view reporting'  those whose name matches
 *   npm run test:mutants -- --list trigger    only their names
 *   npm run test:mutants -- --quick trigger   only with the tests that are the likeliest to notice
 *
 * Tests that compare a database with its sources are left out: a fault in the source would pass them.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import type pg from "pg";

import { withConnection } from "../../server/postgres/connect.ts";
import { openEmbedded } from "../../server/embedded/embedded.ts";
import { applyCurrent } from "../../server/migrations/migrate.ts";
import { deriveServerUrl } from "../../server/postgres/server-login.ts";
import { sharedDatabase, templateDatabase } from "../helpers/cluster.ts";
import { findMutants, type Mutant } from "./mutants.ts";

const root = resolve(import.meta.dirname, "../..");
const origin = "crm_unbroken";
const comparing = ["sources", "docs", "recipes", "plpgsql-check", "splinter"];

const { values: flags, positionals } = parseArgs({
  options: { list: { type: "boolean" }, quick: { type: "boolean" } },
  allowPositionals: true,
});
const filter = new RegExp(positionals[0] ?? "");

const folder = mkdtempSync(join(tmpdir(), "pgcrm-mutants-"));
await chmod(folder, 0o755); // PostgreSQL may run as another user
const embedded = await openEmbedded({
  folder: join(folder, "postgres"),
  binaries: process.env.PGCRM_TEST_POSTGRES,
  settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off" },
});
try {
  await embedded.ensureDatabase(origin);
  const ownerUrl = embedded.url(origin);
  await applyCurrent({ ownerUrl, serverUrl: deriveServerUrl(ownerUrl) });
  const mutants = (await withConnection(ownerUrl, findMutants)).filter(({ name }) =>
    filter.test(name),
  );
  if (flags.list === true) for (const { name } of mutants) console.log(name);
  else await tryAll(mutants);
} finally {
  await embedded.close();
  rmSync(folder, { recursive: true, force: true });
}

async function tryAll(mutants: readonly Mutant[]): Promise<void> {
  const survivors: string[] = [];
  for (const [index, mutant] of mutants.entries()) {
    const outcome = await withConnection(embedded.url("postgres"), (client) =>
      tryOne(client, mutant),
    );
    if (outcome === "SURVIVED") survivors.push(mutant.name);
    console.log(`${index + 1}/${mutants.length} ${outcome}: ${mutant.name}`);
  }
  console.log(`${survivors.length} of ${mutants.length} survived.`);
  for (const name of survivors) console.log(`  ${name}`);
  if (survivors.length > 0) process.exitCode = 1;
}

async function tryOne(client: pg.Client, mutant: Mutant): Promise<string> {
  await copyDatabase(client, origin, templateDatabase);
  try {
    await withConnection(embedded.url(templateDatabase), (broken) => broken.query(mutant.sql));
  } catch (error) {
    return `no mutant (${error instanceof Error ? error.message : String(error)})`;
  }
  await copyDatabase(client, templateDatabase, sharedDatabase(1));
  for (const tests of mutant.tests) {
    if (flags.quick === true && tests.endsWith("/")) continue;
    if (!(await passes(tests))) return `killed by ${tests}`;
  }
  return "SURVIVED";
}

async function copyDatabase(client: pg.Client, from: string, to: string): Promise<void> {
  await client.query(`drop database if exists ${to} with (force)`);
  await client.query(`create database ${to} template ${from}`);
  await client.query(`revoke temporary on database ${to} from public`); // is not copied
}

async function passes(tests: string): Promise<boolean> {
  const child = spawn(
    process.execPath,
    [
      "scripts/run-jest.js",
      tests, // before an option that takes several values
      ...["--maxWorkers=1", "--bail=1", "--silent", "--testTimeout=120000"],
      `--testPathIgnorePatterns=/node_modules/|(${comparing.join("|")})`,
    ],
    {
      cwd: root,
      env: { ...process.env, PGCRM_TEST_OWNER_URL: embedded.url("postgres") },
      stdio: "ignore",
    },
  );
  const [code] = (await once(child, "exit")) as [number | null];
  return code === 0;
}
