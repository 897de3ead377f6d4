import { existsSync } from "node:fs";
import { join, relative } from "node:path";

import { migrationsFolder } from "../project.ts";
import { readCommittedMigrations } from "./committed.ts";
import { migrateDatabase, type MigrationTarget } from "./migrate.ts";
import { applicationRecord } from "./run.ts";

/**
 * Returns the target of an application's migrations. They run after those of pgcrm, and are recorded
 * separately, in the tables of graphile-migrate.
 *
 * @param target the target of pgcrm's own migrations.
 * @param folder the folder with the application's `committed/` and `current/`.
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
 * Runs the pending migrations of pgcrm, then those of an application.
 *
 * @param target the target of pgcrm's own migrations.
 * @param folder the folder with the application's `committed/`, if there is one.
 * @returns the names of the migrations that were run; those of the application begin with `application/`.
 * @throws {Problem} as {@link migrateDatabase}.
 */
export async function migrateAll(target: MigrationTarget, folder?: string): Promise<string[]> {
  const names = [...(await migrateDatabase(target))];
  if (folder === undefined || !existsSync(join(folder, "committed"))) return names;
  const others = await migrateDatabase(await applicationTarget(target, folder));
  return [...names, ...others.map((name) => `application/${name}`)];
}
