import { existsSync } from "node:fs";
import { join, relative } from "node:path";

import { migrationsFolder } from "../project.ts";
import { readCommittedMigrations } from "./committed.ts";
import { migrateDatabase, type MigrationTarget } from "./migrate.ts";
import { applicationRecord } from "./run.ts";

/**
 * The migrations of an application, which come after those of pgcrm and are remembered apart from them, where
 * graphile-migrate remembers its own.
 *
 * @param target the database, as pgcrm's own migrations have it.
 * @param folder the one with the application's `committed/` and `current/`.
 */
export async function applicationTarget(
  target: MigrationTarget,
  folder: string,
): Promise<MigrationTarget> {
  const own = await readCommittedMigrations(migrationsFolder);
  const { ownerUrl, courtesy, report } = target;
  return {
    ...{ ownerUrl, courtesy, report, folder },
    record: applicationRecord,
    before: own.map(({ name }) => relative(folder, join(migrationsFolder, "committed", name))),
  };
}

/**
 * Runs what a database lacks of pgcrm's migrations, then of an application's.
 *
 * @param folder the one with the application's `committed/`, if it has one.
 * @returns the names of what was run; those of the application begin with `application/`.
 * @throws {Problem} as {@link migrateDatabase}.
 */
export async function migrateAll(target: MigrationTarget, folder?: string): Promise<string[]> {
  const names = [...(await migrateDatabase(target))];
  if (folder === undefined || !existsSync(join(folder, "committed"))) return names;
  const others = await migrateDatabase(await applicationTarget(target, folder));
  return [...names, ...others.map((name) => `application/${name}`)];
}
