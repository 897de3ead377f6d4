import { setTimeout as sleep } from "node:timers/promises";

import type { Pool } from "pg";

import { readCommittedMigrations } from "./committedMigrations.ts";

/** Whether requests can be served, and if not, why not: in one line, for whoever watches. */
export interface Readiness {
  ready: boolean;
  reason?: string;
}

/** How long the database may take to answer, in milliseconds. */
const patience = 2000;

/**
 * Makes the check behind `/readyz`: the database answers, and has run exactly the migrations of
 * this version.
 *
 * @param migrationsFolder the folder that holds `committed/`
 */
export function createReadiness(pool: Pool, migrationsFolder: string): () => Promise<Readiness> {
  const committed = readCommittedMigrations(migrationsFolder);

  async function ask(): Promise<{ hash: string }[]> {
    const { rows } = await pool.query<{ hash: string }>(
      "select hash from crm_private.applied_migrations() as applied (hash)",
    );
    return rows;
  }

  return async () => {
    try {
      const rows = await Promise.race([ask(), sleep(patience, undefined, { ref: false })]);
      if (rows === undefined) return { ready: false, reason: "the database answers too late" };
      const expected = await committed;
      const isCurrent =
        rows.length === expected.length && rows.every(({ hash }, i) => hash === expected[i]?.hash);
      return isCurrent ? { ready: true } : { ready: false, reason: "migrations are not current" };
    } catch {
      return { ready: false, reason: "the database does not answer" };
    }
  };
}
