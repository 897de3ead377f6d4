import { resolve } from "node:path";

/** The folder of pgcrm itself, which has `db/` and `schema.graphql`: a checkout, or the package. */
export const projectFolder = resolve(import.meta.dirname, "..");

/** The migrations that every installation runs. */
export const migrationsFolder = resolve(projectFolder, "db", "migrations");
