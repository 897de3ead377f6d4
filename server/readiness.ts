import { setTimeout as sleep } from "node:timers/promises";

import { readCommittedMigrations } from "./committedMigrations.ts";
import type { RequestPool } from "./graphql/adaptor.ts";
import { hasCode } from "./problem.ts";

/** Whether requests can be served, and if not, why not: in one line, for whoever watches. */
export interface Readiness {
  ready: boolean;
  reason?: string;
  /** For how long custom fields have been defined that are not served as they are; absent, none are. */
  customFieldsBehindSeconds?: number;
}

/** What has to be there before anything can be served is not there yet. */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";
}

/** How long the database may take to answer, in milliseconds. */
const patience = 2000;

/**
 * Makes the check behind `/readyz`: the database answers, lets the server log in, and has run exactly
 * the migrations of this version.
 *
 * @param migrationsFolder the folder that holds `committed/`
 */
export function createReadiness(
  pool: RequestPool,
  migrationsFolder: string,
): () => Promise<Readiness> {
  const committed = readCommittedMigrations(migrationsFolder);

  async function ask(): Promise<{ hash: string }[]> {
    // Connections that are open are no proof: a new one shows whether it is still refused.
    if (pool.refusal !== undefined) await pool.tryLogin();
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
    } catch (error) {
      if (hasCode(error, "3F000", "42883")) {
        return { ready: false, reason: "migrations are not current" }; // there are none at all
      }
      const reason =
        pool.refusal === undefined
          ? "the database does not answer"
          : "the database refuses the login of the server";
      return { ready: false, reason };
    }
  };
}
