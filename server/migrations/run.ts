import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import pg from "pg";

import type { CommittedMigration } from "./committed.ts";
import { hasCode, Problem } from "../errors/problem.ts";

/** How migrations wait for other users of the database. */
export interface Courtesy {
  /** How long a migration waits for a lock, and blocks others behind it, in milliseconds. */
  readonly lockTimeout: number;
  /** The longest pause between two attempts, in milliseconds. */
  readonly longestPause: number;
  /** How long attempts are repeated, in milliseconds. */
  readonly patience: number;
}

export const usualCourtesy: Courtesy = {
  lockTimeout: 1000,
  longestPause: 10_000,
  patience: 1_800_000,
};

/** The schema that records the migrations of pgcrm itself. */
export const ownRecord = "crm_migrations";

/** The schema in which graphile-migrate records the migrations of an application. */
export const applicationRecord = "graphile_migrate";

/** A schema that records migrations. */
export type RecordSchema = typeof ownRecord | typeof applicationRecord;

/** The folder of committed migrations, and how they are run. */
export interface Run {
  readonly record: RecordSchema;
  /** The folder that contains `committed/` and `fill/`. */
  readonly folder: string;
  /** The values of the placeholders for the database and its owner. */
  readonly placeholders: Readonly<Record<":DATABASE_NAME" | ":DATABASE_OWNER", string>>;
  readonly courtesy: Courtesy;
  readonly report: (line: string) => void;
}

/**
 * Runs the pending migrations in order: each in a transaction, then its fill script, if it has one, in
 * batches, before the next migration.
 *
 * @param client a connection of the database owner that holds the migration lock.
 * @param committed all committed migrations, in order.
 * @param run the folder, the record and the settings.
 * @returns the names of the migrations that were run.
 * @throws {Problem} if locks cannot be acquired in time; and any error of a migration.
 */
export async function runMigrations(
  client: pg.ClientBase,
  committed: readonly CommittedMigration[],
  run: Run,
): Promise<string[]> {
  const { record } = run;
  await prepareRecord(client, record);
  const { rows } = await client.query<{ applied: string[]; filled: string[] }>(
    `select
       array(select left(filename, 6) from ${record}.migrations) as applied,
       array(select number from ${record}.filled) as filled`,
  );
  const applied = new Set(rows[0]?.applied);
  const filled = new Set(rows[0]?.filled);
  const names: string[] = [];
  for (const migration of committed) {
    const { number, name } = migration;
    if (!applied.has(number)) {
      run.report(`Running ${name}.`);
      await runOne(client, migration, run);
      names.push(name);
    }
    const fill = join(run.folder, "fill", `${number}.sql`);
    if (existsSync(fill) && !filled.has(number)) {
      await runFilling(client, number, await readFile(fill, "utf8"), run);
    }
  }
  return names;
}

/**
 * Creates the tables that record migrations, if they are missing: those of graphile-migrate, and one for
 * completed fill scripts.
 */
export async function prepareRecord(client: pg.ClientBase, record: RecordSchema): Promise<void> {
  await client.query(
    `create schema if not exists ${record};

     create table if not exists ${record}.migrations (
       hash text primary key,
       previous_hash text references ${record}.migrations,
       filename text not null,
       date timestamptz not null default now()
     );

     create table if not exists ${record}.current (
       filename text primary key default 'current.sql',
       content text not null,
       date timestamptz not null default now()
     );

     create table if not exists ${record}.filled (
       number text primary key,
       date timestamptz not null default now()
     );`,
  );
}

async function runOne(
  client: pg.ClientBase,
  { name, number, hash, previousHash }: CommittedMigration,
  run: Run,
): Promise<void> {
  const text = await readFile(join(run.folder, "committed", name), "utf8");
  const sql = text.replaceAll(
    /:DATABASE_(?:NAME|OWNER)\b/g,
    (placeholder) => run.placeholders[placeholder as keyof Run["placeholders"]],
  );
  if (/^--!\s*no-transaction\b/m.test(text)) {
    throw new Problem(`${name} has the option no-transaction, which is not supported.`);
  }
  await courteously(client, name, run, async () => {
    await client.query(sql).catch((error: unknown) => {
      throw withPlace(error, name, sql);
    });
    await client.query(
      `insert into ${run.record}.migrations (hash, previous_hash, filename) values ($1, $2, $3)`,
      [hash, previousHash, `${number}.sql`],
    );
  });
}

/** Adds the line of a migration to an error. Errors that cause a retry are returned unchanged. */
function withPlace(error: unknown, name: string, sql: string): unknown {
  if (!(error instanceof pg.DatabaseError) || hasCode(error, ...inTheWay)) return error;
  const { position, code = "", message, detail, hint } = error;
  const line = position && sql.slice(0, Number(position)).split("\n").length;
  const where = line === undefined ? "" : ` near line ${line}`;
  const more = [detail, hint].filter((part) => part !== undefined).join(" ");
  const text = `${name} failed${where}: ${message} (${code}). ${more}`.trim();
  return new Problem(text, undefined, error);
}

/**
 * Repeats a statement that fills some rows, each time in a separate transaction, until it finds no more rows.
 * After an interruption, the next run continues.
 */
async function runFilling(
  client: pg.ClientBase,
  number: string,
  statement: string,
  run: Run,
): Promise<void> {
  let sum = 0;
  for (let count = 1; count > 0; sum += count) {
    count = await courteously(client, `fill/${number}.sql`, run, async () => {
      const result = await client.query(statement).catch((error: unknown) => {
        throw withPlace(error, `fill/${number}.sql`, statement);
      });
      if (Array.isArray(result)) {
        throw new Problem(`fill/${number}.sql must be a single statement that fills some rows.`);
      }
      return result.rowCount ?? 0;
    });
    if (count > 0) run.report(`Filled ${sum + count} rows of ${number}.`);
  }
  await client.query(`insert into ${run.record}.filled (number) values ($1)`, [number]);
}

/** The conditions that cause a retry: a lock timeout and a deadlock. */
const inTheWay = ["55P03", "40P01"];

/**
 * Runs work in a transaction with a short lock timeout, and tries again after a pause. While a transaction
 * waits for a lock, all later requests for the same lock wait behind it.
 */
async function courteously<Result>(
  client: pg.ClientBase,
  what: string,
  { courtesy, report }: Run,
  work: () => Promise<Result>,
): Promise<Result> {
  const begin = Date.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query("begin");
      await client.query(
        `set local lock_timeout = ${courtesy.lockTimeout}; set local statement_timeout = 0`,
      );
      const result = await work();
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(() => undefined); // then the connection is lost
      if (!hasCode(error, ...inTheWay)) throw error;
      if (Date.now() - begin > courtesy.patience) {
        throw new Problem(
          `${what} could not acquire its locks within ${Math.round(courtesy.patience / 60_000)} minutes, ` +
            "and changed nothing. Try again when the database is less busy.",
          undefined,
          error,
        );
      }
      if (attempt === 1) report(`${what} waits for locks of other transactions.`);
    }
    const longest = Math.min(courtesy.longestPause, courtesy.lockTimeout * 2 ** (attempt - 1));
    await sleep(longest * (0.5 + Math.random() / 2));
  }
}
