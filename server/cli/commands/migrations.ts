import { createInterface } from "node:readline/promises";

import { type Database, withDatabase } from "../../embedded/open.ts";
import { databaseName, shownUrl } from "../../postgres/database-url.ts";
import {
  commitCurrent,
  migrateDatabase,
  migrationStatus,
  type MigrationTarget,
  resetDatabase,
  revertLast,
} from "../../migrations/migrate.ts";
import { exitCodes, Problem } from "../../errors/problem.ts";
import type { Context } from "./context.ts";

/**
 * Runs the committed migrations that the database lacks.
 *
 * @param options whether the server's login gets the password at hand, if it has another.
 */
export async function migrateCommand(
  context: Context,
  options: { setServerPassword?: boolean } = {},
): Promise<void> {
  await withDatabase(context.config, async (database) => {
    const { ownerUrl, serverUrl, isServerUrlGiven } = database;
    const names = await migrateDatabase({
      ownerUrl,
      serverUrl,
      isServerUrlGiven,
      otherPassword: options.setServerPassword === true ? "replace" : undefined,
      report: context.note,
    });
    context.print(names.length === 0 ? "Up to date." : `Ran ${names.join(", ")}.`);
  });
}

/**
 * Prints what is applied, pending and uncommitted.
 *
 * @returns the exit code: 0, {@link exitCodes.pending} or {@link exitCodes.uncommitted}.
 */
export async function statusCommand(context: Context): Promise<number> {
  return withDatabase(context.config, async (database) => {
    const status = await migrationStatus(target(database, context));
    context.print(`applied: ${status.applied.join(", ") || "none"}`);
    context.print(`pending: ${status.pending.join(", ") || "none"}`);
    context.print(`current: ${status.uncommitted ? "uncommitted work" : "empty"}`);
    if (status.pending.length > 0) return exitCodes.pending;
    return status.uncommitted ? exitCodes.uncommitted : 0;
  });
}

/** Turns `current/` into the next committed migration. */
export async function commitCommand(
  context: Context,
  options: { message?: string | undefined },
): Promise<void> {
  await withDatabase(context.config, async (database) => {
    await commitCurrent(target(database, context), options.message);
    context.print("Committed.");
  });
}

/** Undoes the last migration. */
export async function revertCommand(context: Context): Promise<void> {
  await withDatabase(context.config, async (database) => {
    const number = await revertLast(target(database, context));
    context.print(`Undid ${number}.`);
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
    if (options.force !== true) await confirmReset(database, context);
    await resetDatabase(target(database, context));
    context.print(`The database "${databaseName(database.ownerUrl)}" is empty and migrated.`);
  });
}

async function confirmReset(database: Database, { config }: Context): Promise<void> {
  const name = databaseName(database.ownerUrl);
  const warning = `This deletes everything in the database "${name}" (${shownUrl(database.ownerUrl)})`;
  if (config.production || !process.stdin.isTTY) {
    throw new Problem(`${warning}; add --force if that is what you want.`, exitCodes.usage);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${warning}. Type its name to go on: `);
  terminal.close();
  if (answer.trim() !== name) throw new Problem("Nothing was deleted.");
}

function target(
  { ownerUrl, serverUrl, isServerUrlGiven }: Database,
  { note }: Context,
): MigrationTarget {
  return { ownerUrl, serverUrl, isServerUrlGiven, report: note };
}
