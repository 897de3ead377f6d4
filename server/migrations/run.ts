import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import pg from "pg";

import type { CommittedMigration } from "./committed.ts";
import { hasCode, Problem } from "../errors/problem.ts";

/** How migrations get along with those who use the database meanwhile. */
export interface Courtesy {
  /** How long a migration waits for a lock, and everybody behind it, in milliseconds. */
  readonly lockTimeout: number;
  /** The longest pause between two attempts, in milliseconds. */
  readonly longestPause: number;
  /** After how many milliseconds of attempts it gives up. */
  readonly patience: number;
}

export const usualCourtesy: Courtesy = {
  lockTimeout: 1000,
  longestPause: 10_000,
  patience: 1_800_000,
};

/** The schema in which a database remembers the migrations of pgcrm itself. */
export const ownRecord = "crm_migrations";

/** The schema in which graphile-migrate remembers those of an application. */
export const applicationRecord = "graphile_migrate";

/** One of the two. */
export type RecordSchema = typeof ownRecord | typeof applicationRecord;

/** Where committed migrations are, and what they are run with. */
export interface Run {
  readonly record: RecordSchema;
  /** The folder that holds `committed/` and `fill/`. */
  readonly folder: string;
  /** What stands for the database and its owner in a migration. */
  readonly placeholders: Readonly<Record<":DATABASE_NAME" | ":DATABASE_OWNER", string>>;
  readonly courtesy: Courtesy;
  readonly report: (line: string) => void;
}

/**
 * Runs what a database lacks of the committed migrations, in order: each in a transaction, then its
 * filling, if it has one, in batches, before the next one begins.
 *
 * @param client a connection of the database's owner, who has claimed to be the only one that migrates.
 * @returns the names of the migrations that were run.
 * @throws {Problem} when the locks cannot be had for too long; and what a migration ends with.
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
 * Makes what a database remembers migrations in: the tables of graphile-migrate, and one of those that are
 * filled.
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
    throw new Problem(`${name} wants no transaction; each migration here has one.`);
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

/** Says in which line of a migration an error is; one that may not come again is left as it is. */
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
 * Runs a statement that fills some rows, again and again, each time in a transaction of its own, until it
 * finds none. It goes on where it was if it is ended meanwhile.
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
        throw new Problem(`fill/${number}.sql must be one statement that fills some rows.`);
      }
      return result.rowCount ?? 0;
    });
    if (count > 0) run.report(`Filled ${sum + count} rows of ${number}.`);
  }
  await client.query(`insert into ${run.record}.filled (number) values ($1)`, [number]);
}

/** What an attempt ends with that another one may not: a lock that was not to be had, a deadlock. */
const inTheWay = ["55P03", "40P01"];

/**
 * Does something in a transaction that does not wait for long: whoever comes while it waits for a lock waits
 * behind it. It gives way instead, and tries again after a pause.
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
      await client.query("rollback").catch(() => undefined); // the connection is lost, then
      if (!hasCode(error, ...inTheWay)) throw error;
      if (Date.now() - begin > courtesy.patience) {
        throw new Problem(
          `${what} could not have its locks for ${Math.round(courtesy.patience / 60_000)} minutes, ` +
            "because others hold them; nothing was changed by it. Try again when less is going on.",
          undefined,
          error,
        );
      }
      if (attempt === 1) report(`${what} waits for others to end what they do.`);
    }
    const longest = Math.min(courtesy.longestPause, courtesy.lockTimeout * 2 ** (attempt - 1));
    await sleep(longest * (0.5 + Math.random() / 2));
  }
}
