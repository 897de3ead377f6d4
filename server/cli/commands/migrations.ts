import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";

import { type Database, withDatabase } from "../../embedded/open.ts";
import { databaseName, shownUrl } from "../../postgres/database-url.ts";
import { applicationTarget, migrateAll } from "../../migrations/application.ts";
import {
  commitCurrent,
  lastRevert,
  migrateDatabase,
  migrationStatus,
  type MigrationTarget,
  pendingTexts,
  resetDatabase,
  revertLast,
} from "../../migrations/migrate.ts";
import { isPackage } from "../../project.ts";
import { exitCodes, Problem } from "../../errors/problem.ts";
import type { Context } from "./context.ts";

/** The options of `migrate`. */
export interface MigrateRequest {
  /** Whether the password of the server's login is reset to that of its URL. */
  setServerPassword?: boolean;
  /** Whether the SQL is printed instead of run. */
  print?: boolean;
}

/** Runs the pending migrations: those of pgcrm, then those of the application. */
export async function migrateCommand(
  context: Context,
  request: MigrateRequest = {},
): Promise<void> {
  await withDatabase(context.config, async (database) => {
    const target: MigrationTarget = {
      ...targetOf(database, context),
      otherPassword: request.setServerPassword === true ? "replace" : undefined,
    };
    if (request.print === true) {
      for (const part of await targetsOf(database, context)) {
        for (const text of await pendingTexts(part)) context.print(text);
      }
      return;
    }
    const names = await migrateAll(target, context.application?.migrations);
    context.print(names.length === 0 ? "Up to date." : `Ran ${names.join(", ")}.`);
  });
}

/**
 * Prints applied, pending and uncommitted migrations: those of pgcrm, then those of the application.
 *
 * @returns the exit code: 0, {@link exitCodes.pending} or {@link exitCodes.uncommitted}.
 */
export async function statusCommand(context: Context): Promise<number> {
  return withDatabase(context.config, async (database) => {
    const codes: number[] = [];
    for (const target of await targetsOf(database, context)) {
      const status = await migrationStatus(target);
      if (target.folder !== undefined) context.print("application:");
      context.print(`applied: ${status.applied.join(", ") || "none"}`);
      context.print(`pending: ${status.pending.join(", ") || "none"}`);
      context.print(`current: ${status.uncommitted ? "uncommitted work" : "empty"}`);
      if (status.uncommitted) codes.push(exitCodes.uncommitted);
      if (status.pending.length > 0) codes.unshift(exitCodes.pending);
    }
    return codes.includes(exitCodes.pending) ? exitCodes.pending : (codes[0] ?? 0);
  });
}

/** Turns `current/` into the next committed migration. */
export async function commitCommand(
  context: Context,
  options: { message?: string | undefined },
): Promise<void> {
  await withDatabase(context.config, async (database) => {
    const target = await developedTarget(database, context);
    if (target.folder !== undefined) await migrateDatabase(targetOf(database, context));
    await commitCurrent(target, options.message);
    context.print("Committed.");
  });
}

/**
 * Reverts the last migration: that of the application if it has one, else that of pgcrm.
 *
 * @throws {Problem} if the revert deletes data, without a confirmation or `--force`.
 */
export async function revertCommand(context: Context, options: { force?: boolean }): Promise<void> {
  await withDatabase(context.config, async (database) => {
    const target = await revertedTarget(database, context);
    const { number, dropsData } = await lastRevert(target);
    if (dropsData && options.force !== true) {
      await confirm(database, context, `Reverting ${number} deletes data`);
    }
    context.print(`Reverted ${await revertLast(target)}.`);
  });
}

/**
 * Drops the database, and creates and migrates an empty one.
 *
 * @throws {Problem} without a confirmation or `--force`, and while a server uses the embedded database.
 */
export async function resetCommand(context: Context, options: { force?: boolean }): Promise<void> {
  await withDatabase(context.config, async (database) => {
    const address = await database.embedded?.servedAt();
    if (address !== undefined) {
      throw new Problem(`A pgcrm server at ${address} uses this database; stop it first.`);
    }
    if (options.force !== true) await confirm(database, context, "This deletes everything");
    const target = targetOf(database, context);
    await resetDatabase(target);
    await migrateAll(target, context.application?.migrations);
    context.print(`The database "${databaseName(database.ownerUrl)}" is empty and migrated.`);
  });
}

async function confirm(database: Database, { config }: Context, what: string): Promise<void> {
  const name = databaseName(database.ownerUrl);
  const warning = `${what} in the database "${name}" (${shownUrl(database.ownerUrl)})`;
  if (config.production || !process.stdin.isTTY) {
    throw new Problem(`${warning}; add --force to confirm.`, exitCodes.usage);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${warning}. Type the name of the database to confirm: `);
  terminal.close();
  if (answer.trim() !== name) throw new Problem("Nothing was deleted.");
}

/** Returns the target of pgcrm's own migrations. */
function targetOf(
  { ownerUrl, serverUrl, isServerUrlGiven }: Database,
  { note }: Context,
): MigrationTarget {
  return { ownerUrl, serverUrl, isServerUrlGiven, report: note };
}

/** Returns the target of pgcrm's own migrations, then that of the application's. */
async function targetsOf(database: Database, context: Context): Promise<MigrationTarget[]> {
  const own = targetOf(database, context);
  const { application } = context;
  if (application === undefined || !existsSync(join(application.migrations, "committed"))) {
    return [own];
  }
  return [own, await applicationTarget(own, application.migrations)];
}

/**
 * Returns the target of the migrations that are developed here: those of the application, or of pgcrm in
 * its own repository.
 *
 * @throws {Problem} if there is neither.
 */
export async function developedTarget(
  database: Database,
  context: Context,
): Promise<MigrationTarget> {
  const own = targetOf(database, context);
  if (context.application !== undefined) {
    return applicationTarget(own, context.application.migrations);
  }
  if (!isPackage) return own;
  throw new Problem(
    "This folder has no pgcrm.config.ts, so it has no migrations; npx pgcrm init creates a project.",
    exitCodes.usage,
  );
}

/** Returns the target of the last migration: the application's, if one of these is applied. */
async function revertedTarget(database: Database, context: Context): Promise<MigrationTarget> {
  const targets = await targetsOf(database, context);
  const last = targets.at(-1) ?? targetOf(database, context);
  const { applied } = await migrationStatus(last);
  return applied.length === 0 ? targetOf(database, context) : last;
}
