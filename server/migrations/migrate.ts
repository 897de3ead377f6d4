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
import { completeRevert } from "./included-functions.ts";
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

/** The advisory lock that serializes all changes of a database's schema. */
const migrationLock = 0x70676372_6d6967n;

/** Receives one line of progress. */
export type Report = (line: string) => void;

/** The database and the migrations to work on. */
export interface MigrationTarget {
  /** The URL of the database owner. */
  readonly ownerUrl: string;
  /** The URL that the server logs in with; if undefined, no password is set. */
  readonly serverUrl?: string | undefined;
  /** Whether `serverUrl` was set; servers need not use a derived one. */
  readonly isServerUrlGiven?: boolean | undefined;
  /**
   * What to do if the login has another password than the URL: refuse to migrate, or replace the password. By
   * default, a URL that was set is refused, and a difference to a derived one is reported.
   */
  readonly otherPassword?: "refuse" | "replace" | undefined;
  /** A folder with `committed`, `current` and `revert`; by default, that of pgcrm itself. */
  readonly folder?: string | undefined;
  /** The schema that records the migrations; by default, that of pgcrm's own. */
  readonly record?: RecordSchema | undefined;
  /** Files that a shadow database runs first, relative to the folder. */
  readonly before?: readonly string[] | undefined;
  /** Whether to accept a database that a newer version has migrated and this version can serve. */
  readonly acceptsNewer?: boolean | undefined;
  /** How migrations wait for other users of the database. */
  readonly courtesy?: Courtesy | undefined;
  readonly report?: Report | undefined;
}

/** The migrations of a database, by name, such as `000001-core.sql`. */
export interface MigrationStatus {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Whether `current/` contains uncommitted work. */
  readonly uncommitted: boolean;
}

/**
 * Runs the pending migrations, each in a separate transaction, and ensures that the server can log in.
 * Concurrent calls wait for each other.
 *
 * @param target the database and the migrations.
 * @returns the names of the migrations that were run.
 * @throws {Problem} if a migration fails, which is rolled back; if the database has run other migrations
 *   than these; if roles are missing that the owner may not create; and if the password of the server's
 *   login differs from the given one. The last three are detected before any change.
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
 * @param target the database and the migrations.
 * @throws {Problem} if a migration fails.
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
 * Returns the applied and pending migrations of a database, without changing it.
 *
 * @param target the database and the migrations.
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
 * Turns `current/` into the next committed migration, after running all migrations in an empty shadow
 * database, which is then dropped. If that fails, `current/` is restored.
 *
 * @param target the development database, in which the migration is run too.
 * @param message a description, which becomes part of the file name.
 * @throws {Problem} if the migration fails, its header is incomplete, or its revert script is missing.
 */
export async function commitCurrent(target: MigrationTarget, message?: string): Promise<void> {
  const folder = migrationsFolder(target);
  const number = nextNumber(await readCommittedMigrations(folder));
  const isOwn = (target.record ?? ownRecord) === ownRecord;
  if (isOwn && !existsSync(join(folder, "revert", `${number}.sql`))) {
    throw new Problem(
      `The revert script is missing; write db/migrations/revert/${number}.sql first.`,
    );
  }
  const saved = await readFolder(join(folder, "current"));
  if (target.folder === undefined) {
    const missing = missingHeaderLines([...saved.values()].join("\n"));
    if (missing.length > 0) {
      throw new Problem(
        `The comment at the beginning of current/ lacks the lines ${missing.join(", ")} ` +
          "See docs/contributing/add-a-column.md for an example.",
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
 * Returns the texts of the pending migrations, each after a line with the name of its file. The first comment
 * of a migration describes its purpose, its locks and its duration.
 *
 * @param target the database, which is not changed, and the migrations.
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

/** The last migration and its revert script. */
export interface Revert {
  readonly number: string;
  readonly sql: string;
  /** Whether the script deletes rows, or drops tables or columns. */
  readonly dropsData: boolean;
}

/**
 * Reads the revert script of the last migration.
 *
 * @param target the database, which is not changed, and the migrations.
 * @throws {Problem} if no migration is applied, or its file in `revert/` is missing.
 */
export async function lastRevert(target: MigrationTarget): Promise<Revert> {
  const applied = await withConnection(target.ownerUrl, (client) =>
    appliedMigrations(client, target.record),
  );
  const number = applied.at(-1)?.number;
  if (number === undefined) throw new Problem("There is no migration to revert.");
  const folder = migrationsFolder(target);
  const path = join(folder, "revert", `${number}.sql`);
  if (!existsSync(path)) throw new Problem(`${path} is missing, so ${number} cannot be reverted.`);
  const script = await readFile(path, "utf8");
  const dropsData = /\bdrop\s+(table|schema|column)\b|\btruncate\b|\bdelete\s+from\b/i.test(script);
  const sql = withPlaceholders(await withFunctions(target, number, script), target);
  return { number, sql, dropsData };
}

/**
 * Reverts the last migration with its file in `revert/`, in one transaction.
 *
 * @param target the database and the migrations.
 * @returns the number of the reverted migration.
 * @throws {Problem} if no migration is applied, its file is missing, or the script fails.
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

/** Returns the revert script of a migration, completed for the functions that the migration included. */
async function withFunctions(
  target: MigrationTarget,
  number: string,
  script: string,
): Promise<string> {
  const folder = migrationsFolder(target);
  const committed = await readCommittedMigrations(folder);
  const names = committed.filter((known) => known.number <= number).map(({ name }) => name);
  // The first migration of pgcrm creates the schemas, and its script drops them with their functions.
  if (names.length < 2 && (target.record ?? ownRecord) === ownRecord) return script;
  const texts = names.map((name) => readFile(join(folder, "committed", name), "utf8"));
  return completeRevert(script, await Promise.all(texts));
}

/** Replaces the placeholders for the names of the database and its owner. */
function withPlaceholders(text: string, { ownerUrl }: MigrationTarget): string {
  return text
    .replaceAll(/:DATABASE_NAME\b/g, () => databaseName(ownerUrl))
    .replaceAll(/:DATABASE_OWNER\b/g, () => parseUrl(ownerUrl).user ?? "");
}

/** Deletes the record of a migration, and its copy for graphile-migrate. */
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
 * Drops the database, and creates and migrates an empty one.
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
    // It must not be the database that is migrated.
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

/** Runs work with a connection that holds the migration lock of the database. */
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
 * Waits for a running migration, and reports it.
 *
 * @throws {Problem} if a role that cannot migrate holds the lock: any role can acquire an advisory lock.
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
        `The migration lock is held by process ${pid} of ${role}, which cannot migrate. ` +
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
 * Calls graphile-migrate and waits until its connections are closed. It keeps them open for a while, and
 * would end the process if one of them were lost.
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
 * Copies pgcrm's record of its migrations to that of graphile-migrate, which is used in development, or back.
 * Migrations of an application are recorded by graphile-migrate only.
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
 * Returns whether a database has run all migrations of this version and more, and this version can still
 * serve it.
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

/** Migrates, and sets up the rest: partitions, rights on the database, and the server's login. */
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
  // PostgreSQL grants this right to public in every new database, including a restored one.
  if (rows[0].temporary) {
    const database = client.escapeIdentifier(databaseName(target.ownerUrl));
    await client.query(`revoke temporary on database ${database} from public`);
  }
}

/** A migration in the record of a database. */
export type AppliedMigration = Pick<CommittedMigration, "number" | "hash">;

/**
 * Returns the migrations that a database has run, in order.
 *
 * @param client a connection to the database.
 * @param record the schema that records them; by default, that of pgcrm's own.
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

/** Returns the names of the committed migrations that a database has not run. */
function pendingMigrations(
  applied: readonly AppliedMigration[],
  committed: readonly CommittedMigration[],
): string[] {
  const numbers = new Set(applied.map(({ number }) => number));
  return committed.filter(({ number }) => !numbers.has(number)).map(({ name }) => name);
}

/** The hash of the first migration before the first release. */
const firstHashBeforeRelease = "sha1:b4c7087cf403e5b2b8e683bf5439cb5cb42a81f0";

/** Refuses a database that has run other migrations: the pending ones would not fit. */
function refuseOtherHistory(
  applied: readonly AppliedMigration[],
  committed: readonly CommittedMigration[],
): void {
  if (applied.some(({ hash }) => hash === firstHashBeforeRelease)) {
    throw new Problem(
      "The database was created before the first release, which replaced all earlier migrations. Use the " +
        "version that created it, or load its data into a database of this version: see " +
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
          `use the version that contains it.`,
      );
    }
    if (known.hash !== hash) {
      throw new Problem(
        `The database has run a migration ${number} that differs from ${known.name}; ` +
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
