// Composes the migration of the first release from its chapters (npm run db:compose). Before the release
// there is one migration, composed of the current sources. After the release, this script and the chapters
// are removed.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { calculateHash } from "graphile-migrate/dist/hash.js";

const migrations = resolve(import.meta.dirname, "../db/migrations");
const path = join(migrations, "committed", "000001-first-release.sql");

/**
 * Returns the text of the migration as graphile-migrate commits it, with each `--!include` replaced by its
 * file.
 */
export function composeRelease(): string {
  const chapters = join(migrations, "chapters");
  const body = readdirSync(chapters)
    .sort()
    .map((name) => `--! split: ${name}\n${expand(readFileSync(join(chapters, name), "utf8"))}`)
    .join("\n");
  return `--! Previous: -\n--! Hash: ${calculateHash(body, null)}\n--! Message: first release\n\n${body}`;
}

/** Returns the text of the migration as it is committed. */
export function committedRelease(): string {
  return readFileSync(path, "utf8");
}

function expand(sql: string): string {
  return sql.replace(/^--!include (\S+)$/gm, (_, file: string) => {
    const text = readFileSync(join(migrations, "fixtures", file), "utf8");
    return `--! Included ${file}\n${text.trim()}\n--! EndIncluded ${file}`;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(path, { force: true }); // graphile-migrate makes it read-only
  writeFileSync(path, composeRelease());
}
