import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { calculateHash } from "graphile-migrate/dist/hash.js";

/**
 * Writes committed migrations as the tool commits them.
 *
 * @param folder gets `committed/` and `fill/`.
 * @param migrations the text of each, with the statement that fills, if it has one.
 */
export function writeMigrations(
  folder: string,
  migrations: readonly { text: string; fill?: string }[],
): void {
  for (const name of ["committed", "current", "fill", "revert"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  let previous: string | null = null;
  for (const [i, { text, fill }] of migrations.entries()) {
    const number = String(i + 1).padStart(6, "0");
    const body = `${text.trim()}\n`;
    const hash: string = calculateHash(body, previous);
    const header = `--! Previous: ${previous ?? "-"}\n--! Hash: ${hash}\n`;
    writeFileSync(join(folder, "committed", `${number}.sql`), `${header}\n${body}`);
    if (fill !== undefined) writeFileSync(join(folder, "fill", `${number}.sql`), fill);
    previous = hash;
  }
}
