import { basename, resolve } from "node:path";

/** The folder of pgcrm itself, which has `db/` and `schema.graphql`: a checkout, or the package. */
export const projectFolder = resolve(import.meta.dirname, "..");

/** Whether this is the package that others install, and no checkout of the sources. */
export const isPackage = basename(import.meta.dirname) === "dist";

/** The migrations that every installation runs. */
export const migrationsFolder = resolve(projectFolder, "db", "migrations");

/** Where the embedded database is kept: with the sources, or where an application runs. */
export const dataFolder = resolve(isPackage ? process.cwd() : projectFolder, ".data");
