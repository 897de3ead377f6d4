import { basename, resolve } from "node:path";

/** The folder of pgcrm itself, which contains `db/` and `schema.graphql`: a checkout, or the package. */
export const projectFolder = resolve(import.meta.dirname, "..");

/** Whether this is the installed package, and not a checkout of the sources. */
export const isPackage = basename(import.meta.dirname) === "dist";

/** The folder of pgcrm's own migrations. */
export const migrationsFolder = resolve(projectFolder, "db", "migrations");

/** The folder of the embedded database: in the checkout, or in the current folder of an application. */
export const dataFolder = resolve(isPackage ? process.cwd() : projectFolder, ".data");
