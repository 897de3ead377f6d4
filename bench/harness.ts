import { mkdtempSync } from "node:fs";
import { chmod, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type pg from "pg";

import { withConnection } from "../server/postgres/connect.ts";
import { openEmbedded } from "../server/embedded/embedded.ts";
import { applyCurrent } from "../server/migrations/migrate.ts";

/** A measured operation. */
export interface Measured {
  readonly name: string;
  readonly milliseconds: number;
}

/**
 * Runs a benchmark against a throwaway PostgreSQL with the settings that `npm start` uses.
 *
 * @param work receives a connection of the owner to a migrated, empty database, and its URL.
 */
export async function withBenchDatabase(
  work: (client: pg.Client, url: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pgcrm-bench-"));
  await chmod(folder, 0o755); // PostgreSQL may run as another user
  const database = await openEmbedded({ folder: join(folder, "postgres") });
  try {
    await database.ensureDatabase("bench");
    await applyCurrent({ ownerUrl: database.url("bench") });
    const url = database.url("bench");
    await withConnection(url, (client) => work(client, url));
  } finally {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns how long the work takes, in milliseconds. */
export async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Returns the median. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** Prints the measured times, and each as a multiple of the first. */
export function printRatio(title: string, measured: readonly [Measured, ...Measured[]]): void {
  const width = Math.max(...measured.map(({ name }) => name.length));
  const lines = measured.map(
    ({ name, milliseconds: took }) =>
      `  ${name.padEnd(width)}  ${took.toFixed(took < 10 ? 2 : 0).padStart(6)} ms  ${(took / measured[0].milliseconds).toFixed(2)}`,
  );
  process.stdout.write(`${title}\n${lines.join("\n")}\n`);
}
