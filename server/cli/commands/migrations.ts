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

/** What `migrate` may be asked for. */
export interface MigrateRequest {
  /** Whether the server's login gets the password at hand, if it has another. */
  setServerPassword?: boolean;
  /** Whether the SQL is printed that would run, and nothing is run. */
  print?: boolean;
}

/** Runs the committed migrations that the database lacks: those of pgcrm, then the application's. */
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
 * Prints what is applied, pending and uncommitted; of an application first what pgcrm itself has.
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
 * Undoes the last migration: the application's, where there is one, else pgcrm's.
 *
 * @throws {Problem} if it drops data, without a confirmation or `--force`.
 */
export async function revertCommand(context: Context, options: { force?: boolean }): Promise<void> {
  await withDatabase(context.config, async (database) => {
    const target = await revertedTarget(database, context);
    const { number, dropsData } = await lastRevert(target);
    if (dropsData && options.force !== true) {
      await confirm(database, context, `Undoing ${number} deletes data`);
    }
    context.print(`Undid ${await revertLast(target)}.`);
  });
}

/**
 * Drops the database and makes it anew.
 *
 * @throws {Problem} without a confirmation or `--force`, and while a server runs on it.
 */
export async function resetCommand(context: Context, options: { force?: boolean }): Promise<void> {
  await withDatabase(context.config, async (database) => {
    const address = await database.embedded?.servedAt();
    if (address !== undefined) {
      throw new Problem(`pgcrm serves from this database at ${address}; stop it first.`);
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
    throw new Problem(`${warning}; add --force if that is what you want.`, exitCodes.usage);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${warning}. Type its name to go on: `);
  terminal.close();
  if (answer.trim() !== name) throw new Problem("Nothing was deleted.");
}

/** What pgcrm's own migrations work on. */
function targetOf(
  { ownerUrl, serverUrl, isServerUrlGiven }: Database,
  { note }: Context,
): MigrationTarget {
  return { ownerUrl, serverUrl, isServerUrlGiven, report: note };
}

/** What pgcrm's own migrations work on, and then the application's. */
async function targetsOf(database: Database, context: Context): Promise<MigrationTarget[]> {
  const own = targetOf(database, context);
  const { application } = context;
  if (application === undefined || !existsSync(join(application.migrations, "committed"))) {
    return [own];
  }
  return [own, await applicationTarget(own, application.migrations)];
}

/**
 * The migrations that are developed here: those of the application, or of pgcrm in its own checkout.
 *
 * @throws {Problem} where there is neither.
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
    "There is no pgcrm.config.ts here, so there are no migrations of your own; npx pgcrm init makes a project.",
    exitCodes.usage,
  );
}

/** The migrations of which the last one is undone: the application's, while it has one. */
async function revertedTarget(database: Database, context: Context): Promise<MigrationTarget> {
  const targets = await targetsOf(database, context);
  const last = targets.at(-1) ?? targetOf(database, context);
  const { applied } = await migrationStatus(last);
  return applied.length === 0 ? targetOf(database, context) : last;
}
