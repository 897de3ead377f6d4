import { setTimeout as sleep } from "node:timers/promises";

import { readCommittedMigrations } from "../migrations/committed.ts";
import type { RequestPool } from "../postgres/adaptor.ts";
import { hasCode } from "../errors/problem.ts";

/** Whether requests can be served, and if not, why not: in one line, for whoever watches. */
export interface Readiness {
  ready: boolean;
  reason?: string;
  /** For how long custom fields have been defined that are not served as they are; absent, none are. */
  customFieldsBehindSeconds?: number;
}

/** How long the database may take to answer, in milliseconds. */
const patience = 2000;

/**
 * Makes the check behind `/readyz`: the database answers, lets the server log in, and has run the
 * migrations of this version. If a newer version has migrated it further, it says itself whether this one
 * can serve it.
 *
 * @param migrationsFolder the folder that holds `committed/`
 */
export function createReadiness(
  pool: RequestPool,
  migrationsFolder: string,
): () => Promise<Readiness> {
  const committed = readCommittedMigrations(migrationsFolder);

  async function ask(): Promise<{ hashes: string[]; oldest: string } | undefined> {
    // Connections that are open are no proof: a new one shows whether it is still refused.
    if (pool.refusal !== undefined) await pool.tryLogin();
    const { rows } = await pool.query<{ hashes: string[]; oldest: string }>(
      `select array(select crm_private.applied_migrations()) as hashes,
         crm_private.oldest_server() as oldest`,
    );
    return rows[0];
  }

  return async () => {
    try {
      const found = await Promise.race([ask(), sleep(patience, undefined, { ref: false })]);
      if (found === undefined) return { ready: false, reason: "the database answers too late" };
      const expected = await committed;
      if (!expected.every(({ hash }, i) => hash === found.hashes[i])) {
        return { ready: false, reason: "migrations are not current" };
      }
      const isNewer = found.hashes.length > expected.length;
      if (isNewer && found.oldest > (expected.at(-1)?.number ?? "")) {
        return { ready: false, reason: "the database is of a version that needs newer servers" };
      }
      return { ready: true };
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
