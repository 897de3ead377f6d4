import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { commit, current, Logger, status } from "graphile-migrate";
import { clearAllPools } from "graphile-migrate/dist/pg.js";
import pg from "pg";

import { type CommittedMigration, readCommittedMigrations } from "./committed.ts";
import { withConnection } from "../postgres/connect.ts";
import { parseUrl } from "../postgres/connection-string.ts";
import { changeUrl, databaseName } from "../postgres/database-url.ts";
import { Problem } from "../errors/problem.ts";
import { migrationsFolder as ownMigrations, projectFolder } from "../project.ts";
import { missingHeaderLines } from "./header.ts";
import { refuseMissingRoles } from "../postgres/roles.ts";
import {
  applicationRecord,
  type Courtesy,
  ownRecord,
  prepareRecord,
  type RecordSchema,
  runMigrations,
  usualCourtesy,
} from "./run.ts";
import { describeDifference, readLogin, setServerPassword } from "../postgres/server-login.ts";

/** Serialises everything that changes the schema of a database. */
const migrationLock = 0x70676372_6d6967n;

/** Receives one line of progress. */
export type Report = (line: string) => void;

/** What the migrations work on. */
export interface MigrationTarget {
  /** The database owner's URL. */
  readonly ownerUrl: string;
  /** The URL that the server logs in with; absent, no password is set. */
  readonly serverUrl?: string | undefined;
  /** Whether that URL was given; one that is derived need not be the one that servers use. */
  readonly isServerUrlGiven?: boolean | undefined;
  /**
   * What is done about a login that takes another password than the URL's: it is never changed unless
   * that is asked for. If not given, it is refused where the URL was given, and else reported.
   */
  readonly otherPassword?: "refuse" | "replace" | undefined;
  /** A folder with `committed`, `current` and `revert`; absent, the one that .gmrc names. */
  readonly folder?: string | undefined;
  /** Where the database remembers them; absent, where it remembers those of pgcrm itself. */
  readonly record?: RecordSchema | undefined;
  /** What a shadow database runs before them: files, relative to the folder. */
  readonly before?: readonly string[] | undefined;
  /** Whether a database is left alone that a newer version has migrated and this one can serve. */
  readonly acceptsNewer?: boolean | undefined;
  /** How it gets along with those who use the database meanwhile. */
  readonly courtesy?: Courtesy | undefined;
  readonly report?: Report | undefined;
}

/** Where a database stands; the names are those of migrations, such as `000001-core.sql`. */
export interface MigrationStatus {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Whether `current/` holds work that is not committed yet. */
  readonly uncommitted: boolean;
}

/**
 * Runs the committed migrations that the database lacks, each in a transaction of its own, and makes
 * sure that the server can log in. Processes that call it at once take turns.
 *
 * @param target what to migrate.
 * @returns the names of the migrations that were run.
 * @throws {Problem} when a migration fails, which leaves the database as it was before it; when the
 *   database has run other migrations than these; when roles are missing that the owner may not make;
 *   and when the server's login takes another password than the given one. The last three are
 *   found before anything is changed.
 */
export async function migrateDatabase(target: MigrationTarget): Promise<readonly string[]> {
  return exclusively(target, async (client, settings) => {
    const applied = await appliedMigrations(client, target.record);
    const committed = await readCommittedMigrations(migrationsFolder(target));
    if (target.acceptsNewer === true && (await canServe(client, applied, committed))) return [];
    refuseOtherHistory(applied, committed);
    const pending = pendingMigrations(applied, committed);
    await completely(client, target, () => runCommitted(client, target, settings, committed));
    return pending;
  });
}

/**
 * Runs the committed migrations and then the uncommitted one in `current/`, for development.
 *
 * @param target what to migrate.
 * @throws {Problem} when a migration fails.
 */
export async function applyCurrent(target: MigrationTarget): Promise<void> {
  const committed = await readCommittedMigrations(migrationsFolder(target));
  await exclusively(target, (client, settings) =>
    completely(client, target, async () => {
      await runCommitted(client, target, settings, committed);
      await copyRecord(client, target, ownRecord, applicationRecord);
      await withGraphile(settings, (given) => current(given));
    }),
  );
}

/**
 * Tells where a database stands, without changing it.
 *
 * @param target what to look at.
 */
export async function migrationStatus(target: MigrationTarget): Promise<MigrationStatus> {
  const folder = migrationsFolder(target);
  const applied = await withConnection(target.ownerUrl, (client) =>
    appliedMigrations(client, target.record),
  );
  const committed = await readCommittedMigrations(folder);
  const { hasCurrentMigration } = await withGraphile(settingsFor(target), (settings) =>
    status(settings, { skipDatabase: true }),
  );
  return {
    applied: applied.map(
      ({ number }) => committed.find((known) => known.number === number)?.name ?? number,
    ),
    pending: pendingMigrations(applied, committed),
    uncommitted: hasCurrentMigration,
  };
}

/**
 * Turns `current/` into the next committed migration, after running everything from nothing in a
 * shadow database, which is dropped again. When that fails, `current/` is as it was.
 *
 * @param target the development database, which gets the migration too.
 * @param message a few words that become part of the file's name.
 * @throws {Problem} when the migration fails, or its way back is not written yet.
 */
export async function commitCurrent(target: MigrationTarget, message?: string): Promise<void> {
  const folder = migrationsFolder(target);
  const number = nextNumber(await readCommittedMigrations(folder));
  const isOwn = (target.record ?? ownRecord) === ownRecord;
  if (isOwn && !existsSync(join(folder, "revert", `${number}.sql`))) {
    throw new Problem(
      `Write db/migrations/revert/${number}.sql first: the way back is part of it.`,
    );
  }
  const saved = await readFolder(join(folder, "current"));
  if (target.folder === undefined) {
    const missing = missingHeaderLines([...saved.values()].join("\n"));
    if (missing.length > 0) {
      throw new Problem(
        `Say at the beginning of current/ what is missing of: ${missing.join(", ")} ` +
          "docs/contributing/add-a-column.md has an example.",
      );
    }
  }
  await exclusively(target, async (client, settings) => {
    const shadow = client.escapeIdentifier(shadowName(target));
    try {
      await client.query(`drop database if exists ${shadow} with (force)`);
      await completely(client, target, async () => {
        await runCommitted(client, target, settings, await readCommittedMigrations(folder));
        await copyRecord(client, target, ownRecord, applicationRecord);
        await withGraphile(settings, (given) => commit(given, message));
        await copyRecord(client, target, applicationRecord, ownRecord);
      });
    } catch (error) {
      await restoreFolder(join(folder, "current"), saved);
      throw error;
    } finally {
      await client.query(`drop database if exists ${shadow} with (force)`);
    }
  });
}

/**
 * The SQL that migrating would run, migration by migration, each with a line that names its file. Its first
 * comment says why, what it locks and how long it takes.
 *
 * @param target what to look at; it is not changed.
 */
export async function pendingTexts(target: MigrationTarget): Promise<string[]> {
  const folder = migrationsFolder(target);
  const { pending } = await migrationStatus(target);
  return Promise.all(
    pending.map(async (name) => {
      const text = await readFile(join(folder, "committed", name), "utf8");
      return `-- ${name}\n${withPlaceholders(text, target)}`;
    }),
  );
}

/** Which migration is the last one, and what undoing it does. */
export interface Revert {
  readonly number: string;
  readonly sql: string;
  /** Whether the SQL deletes rows, or drops tables or columns. */
  readonly dropsData: boolean;
}

/**
 * Reads how the last migration is undone.
 *
 * @param target what to look at; it is not changed.
 * @throws {Problem} when there is no migration, or its file in `revert/` is missing.
 */
export async function lastRevert(target: MigrationTarget): Promise<Revert> {
  const applied = await withConnection(target.ownerUrl, (client) =>
    appliedMigrations(client, target.record),
  );
  const number = applied.at(-1)?.number;
  if (number === undefined) throw new Problem("There is no migration to undo.");
  const path = join(migrationsFolder(target), "revert", `${number}.sql`);
  if (!existsSync(path)) throw new Problem(`${path} is missing, so ${number} cannot be undone.`);
  const sql = withPlaceholders(await readFile(path, "utf8"), target);
  const dropsData = /\bdrop\s+(table|schema|column)\b|\btruncate\b|\bdelete\s+from\b/i.test(sql);
  return { number, sql, dropsData };
}

/**
 * Undoes the last migration with its file in `revert/`, in one transaction.
 *
 * @param target what to take back a step.
 * @returns the number of the migration that was undone.
 * @throws {Problem} when there is none, its file is missing, or undoing it fails.
 */
export async function revertLast(target: MigrationTarget): Promise<string> {
  return exclusively(target, async (client) => {
    const { record = ownRecord } = target;
    await prepareRecord(client, record);
    const { number, sql } = await lastRevert(target);
    try {
      await client.query("begin");
      await client.query(sql);
      await forget(client, number, record);
      await client.query("commit");
    } catch (error) {
      await client.query("rollback");
      throw describeFailure(error, `revert/${number}.sql`);
    }
    return number;
  });
}

/** The text of a migration with the names of the database and its owner. */
function withPlaceholders(text: string, { ownerUrl }: MigrationTarget): string {
  return text
    .replaceAll(/:DATABASE_NAME\b/g, () => databaseName(ownerUrl))
    .replaceAll(/:DATABASE_OWNER\b/g, () => parseUrl(ownerUrl).user ?? "");
}

/** Takes a migration out of what the database remembers, and out of what graphile-migrate was shown. */
async function forget(client: pg.Client, number: string, record: RecordSchema): Promise<void> {
  await prepareRecord(client, applicationRecord);
  await client.query(
    `delete from ${applicationRecord}.migrations
     where hash = (select hash from ${record}.migrations where filename = $1)`,
    [`${number}.sql`],
  );
  await client.query(`delete from ${applicationRecord}.current`);
  await client.query(`delete from ${record}.migrations where filename = $1`, [`${number}.sql`]);
  await client.query(`delete from ${record}.filled where number = $1`, [number]);
}

/**
 * Drops the database with everything in it, makes it anew and migrates it.
 *
 * @param target the database; its owner must be allowed to create databases.
 */
export async function resetDatabase(target: MigrationTarget): Promise<void> {
  await withConnection(changeUrl(target.ownerUrl, { database: "postgres" }), async (client) => {
    const database = client.escapeIdentifier(databaseName(target.ownerUrl));
    await client.query(`drop database if exists ${database} with (force)`);
    await client.query(`create database ${database}`);
  });
  await migrateDatabase(target);
}

interface GraphileSettings {
  readonly connectionString: string;
  readonly shadowConnectionString: string;
  readonly rootConnectionString: string;
  readonly databaseOwner: string;
  readonly migrationsFolder: string;
  readonly afterReset: string[];
  readonly logger: Logger;
}

function settingsFor(target: MigrationTarget): GraphileSettings {
  const file = JSON.parse(readFileSync(join(projectFolder, ".gmrc"), "utf8")) as object;
  const url = changeUrl(target.ownerUrl, { applicationName: `pgcrm migration ${process.pid}` });
  return {
    ...file,
    connectionString: url,
    shadowConnectionString: changeUrl(url, { database: shadowName(target) }),
    // It must be another database than the one that is migrated.
    rootConnectionString: changeUrl(url, {
      database: databaseName(url) === "postgres" ? "template1" : "postgres",
    }),
    databaseOwner: parseUrl(url).user ?? "",
    migrationsFolder: migrationsFolder(target),
    afterReset: [...(target.before ?? [])],
    logger: new Logger(() => (level: string, message) => {
      if (level !== "error") target.report?.(message.replace(/^graphile-migrate: /, ""));
    }),
  };
}

function migrationsFolder({ folder }: MigrationTarget): string {
  return folder ?? ownMigrations;
}

function shadowName({ ownerUrl }: MigrationTarget): string {
  return `${databaseName(ownerUrl)}_shadow`;
}

/** Runs `work` with a connection that holds the migration lock of the database. */
async function exclusively<Result>(
  target: MigrationTarget,
  work: (client: pg.Client, settings: GraphileSettings) => Promise<Result>,
): Promise<Result> {
  return withConnection(target.ownerUrl, async (client) => {
    await takeTurn(client, target);
    return work(client, settingsFor(target));
  });
}

/**
 * Waits for the migration that runs, and says so.
 *
 * @throws {Problem} where the lock is held by a role that cannot migrate: anybody can take it.
 */
async function takeTurn(client: pg.Client, { report }: MigrationTarget): Promise<void> {
  let told: number | null | undefined;
  for (;;) {
    const { rows } = await client.query<{
      isOurs: boolean;
      pid: number | null;
      role: string | null;
      isOwner: boolean | null;
    }>(
      `select pg_try_advisory_lock($1) as "isOurs", holder.pid, holder.usename as role,
         pg_has_role(holder.usesysid, current_user, 'member')
           or pg_has_role(holder.usesysid, this.datdba, 'member') as "isOwner"
       from pg_database as this
       left join pg_locks as held
         on held.locktype = 'advisory' and held.granted and held.database = this.oid
         and held.objsubid = 1 and held.pid <> pg_backend_pid()
         and held.classid::bigint << 32 | held.objid::bigint = $1
       left join pg_stat_activity as holder on holder.pid = held.pid
       where this.datname = current_database()`,
      [migrationLock],
    );
    const { isOurs = false, pid = null, role, isOwner } = rows[0] ?? {};
    if (isOurs) return;
    if (pid !== null && isOwner === false) {
      throw new Problem(
        `The lock of migrations is held by process ${pid} of ${role}, which cannot migrate. ` +
          `End it with select pg_terminate_backend(${pid}), and try again.`,
      );
    }
    if (pid !== told) {
      const where = pid === null ? "" : `, in process ${pid} of ${role}`;
      report?.(`Another migration is running${where}; waiting for it.`);
      told = pid;
    }
    await sleep(200);
  }
}

/**
 * Calls graphile-migrate and waits until its connections are closed: it keeps them for a while, and
 * ends the process if one of them is cut.
 */
async function withGraphile<Result>(
  settings: GraphileSettings,
  work: (settings: GraphileSettings) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(settings);
  } catch (error) {
    throw describeFailure(error, "A migration");
  } finally {
    clearAllPools();
    await connectionsClosed(settings);
  }
}

async function connectionsClosed({ connectionString }: GraphileSettings): Promise<void> {
  const name = new URL(connectionString).searchParams.get("application_name");
  await withConnection(
    changeUrl(connectionString, { applicationName: "pgcrm" }),
    async (client) => {
      for (let attempt = 0; attempt < 100; attempt += 1) {
        const { rowCount } = await client.query(
          "select from pg_catalog.pg_stat_activity where application_name = $1",
          [name],
        );
        if (rowCount === 0) return;
        await sleep(20);
      }
    },
  );
}

/**
 * Makes graphile-migrate, which develops migrations, know what pgcrm remembers of its own, and the other way
 * round. Those of an application are in graphile-migrate's place anyway.
 */
async function copyRecord(
  client: pg.Client,
  target: MigrationTarget,
  from: RecordSchema,
  to: RecordSchema,
): Promise<void> {
  if ((target.record ?? ownRecord) !== ownRecord) return;
  await prepareRecord(client, to);
  await client.query(
    `insert into ${to}.migrations (hash, previous_hash, filename, date)
     select hash, previous_hash, filename, date from ${from}.migrations order by filename
     on conflict do nothing`,
  );
}

async function runCommitted(
  client: pg.Client,
  target: MigrationTarget,
  { databaseOwner }: GraphileSettings,
  committed: readonly CommittedMigration[],
): Promise<void> {
  try {
    await runMigrations(client, committed, {
      folder: migrationsFolder(target),
      record: target.record ?? ownRecord,
      placeholders: {
        ":DATABASE_NAME": databaseName(target.ownerUrl),
        ":DATABASE_OWNER": databaseOwner,
      },
      courtesy: target.courtesy ?? usualCourtesy,
      report: target.report ?? (() => undefined),
    });
  } catch (error) {
    throw describeFailure(error, "A migration");
  }
}

/**
 * Whether a database has run all migrations of this version and further ones, and still can be served by
 * it.
 */
async function canServe(
  client: pg.Client,
  applied: readonly AppliedMigration[],
  committed: readonly CommittedMigration[],
): Promise<boolean> {
  const last = committed.at(-1);
  const isPrefix = committed.every(({ hash }, i) => applied[i]?.hash === hash);
  if (!isPrefix || last === undefined || applied.length <= committed.length) return false;
  const { rows } = await client.query<{ oldest: string }>(
    "select crm_private.oldest_server() as oldest",
  );
  return (rows[0]?.oldest ?? "") <= last.number;
}

/** Migrates, and sees to what every migrated database needs beside its schema. */
async function completely(
  client: pg.Client,
  target: MigrationTarget,
  work: () => Promise<unknown>,
): Promise<void> {
  const { serverUrl, isServerUrlGiven = false, otherPassword } = target;
  const login = serverUrl === undefined ? "unknown" : await readLogin(client, serverUrl);
  const refuses = otherPassword === "refuse" || (isServerUrlGiven && otherPassword === undefined);
  if (login === "differs" && refuses) throw new Problem(describeDifference(isServerUrlGiven));
  if (target.folder === undefined) await refuseMissingRoles(client);
  await work();
  await completeSchema(client, target);
  if (serverUrl === undefined || !(await hasServerRole(client))) return;
  if (login === "missing" || otherPassword === "replace") {
    if (login !== "works") await setServerPassword(client, serverUrl);
  } else if (login === "differs") {
    target.report?.(describeDifference(isServerUrlGiven));
  }
}

async function hasServerRole(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query("select where to_regrole('crm_server') is not null");
  return rowCount === 1;
}

async function completeSchema(client: pg.Client, target: MigrationTarget): Promise<void> {
  const { rows } = await client.query<{ partitions: boolean; temporary: boolean }>(
    `select to_regproc('crm_private.ensure_audit_partitions') is not null as partitions,
            has_database_privilege('public', current_database(), 'temporary') as temporary`,
  );
  if (rows[0]?.partitions !== true) return;
  await client.query("select crm_private.ensure_audit_partitions()");
  // Every database begins with this right for everybody, one that was restored from a dump too.
  if (rows[0].temporary) {
    const database = client.escapeIdentifier(databaseName(target.ownerUrl));
    await client.query(`revoke temporary on database ${database} from public`);
  }
}

/** A migration as a database remembers it. */
export type AppliedMigration = Pick<CommittedMigration, "number" | "hash">;

/**
 * The migrations that a database has run, in order.
 *
 * @param record where it remembers them; those of pgcrm itself if not given.
 */
export async function appliedMigrations(
  client: pg.ClientBase,
  record: RecordSchema = ownRecord,
): Promise<AppliedMigration[]> {
  const { rowCount } = await client.query("select where to_regclass($1) is not null", [
    `${record}.migrations`,
  ]);
  if (rowCount === 0) return [];
  const { rows } = await client.query<AppliedMigration>(
    `select left(filename, 6) as number, hash from ${record}.migrations order by filename`,
  );
  return rows;
}

/** The names of the committed migrations that a database has not run. */
function pendingMigrations(
  applied: readonly AppliedMigration[],
  committed: readonly CommittedMigration[],
): string[] {
  const numbers = new Set(applied.map(({ number }) => number));
  return committed.filter(({ number }) => !numbers.has(number)).map(({ name }) => name);
}

/** What the first of the migrations had that preceded the first release. */
const firstHashBeforeRelease = "sha1:b4c7087cf403e5b2b8e683bf5439cb5cb42a81f0";

/** Migrating goes on from where a database is, so it must have come the same way. */
function refuseOtherHistory(
  applied: readonly AppliedMigration[],
  committed: readonly CommittedMigration[],
): void {
  if (applied.some(({ hash }) => hash === firstHashBeforeRelease)) {
    throw new Problem(
      "The database was made before the first release, whose migrations have been made anew since. " +
        "Go on with the version that made it, or load its data into a database of this version: " +
        "docs/how-to/upgrade.md.",
    );
  }
  for (const { name, isIntact } of committed) {
    if (isIntact) continue;
    throw new Problem(`${name} was edited after it was committed; restore that file.`);
  }
  for (const { number, hash } of applied) {
    const known = committed.find((migration) => migration.number === number);
    if (!known) {
      throw new Problem(
        `The database has run migration ${number}, which this version does not have; ` +
          `use the version that made it.`,
      );
    }
    if (known.hash !== hash) {
      throw new Problem(
        `The database has run another migration ${number} than ${known.name}; ` +
          `restore that file, or start over with npx pgcrm reset.`,
      );
    }
  }
}

function nextNumber(committed: readonly CommittedMigration[]): string {
  return String(Number(committed.at(-1)?.number ?? "0") + 1).padStart(6, "0");
}

async function readFolder(folder: string): Promise<Map<string, string>> {
  await mkdir(folder, { recursive: true });
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql"));
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await readFile(join(folder, name), "utf8")] as const),
    ),
  );
}

async function restoreFolder(folder: string, saved: ReadonlyMap<string, string>): Promise<void> {
  for (const name of (await readFolder(folder)).keys()) {
    if (!saved.has(name)) await rm(join(folder, name));
  }
  for (const [name, text] of saved) await writeFile(join(folder, name), text);
}

function describeFailure(error: unknown, what: string): unknown {
  if (error instanceof Problem || !(error instanceof Error)) return error;
  if ("_gmMessageOverride" in error) return new Problem(String(error._gmMessageOverride));
  if (!(error instanceof pg.DatabaseError)) return error;
  const more = [error.detail, error.hint].filter((part) => part !== undefined).join(" ");
  return new Problem(`${what} failed: ${error.message} (${error.code ?? ""}). ${more}`.trim());
}
