import { setTimeout as sleep } from "node:timers/promises";

import { readCommittedMigrations } from "../migrations/committed.ts";
import type { RequestPool } from "../postgres/request-pool.ts";
import { hasCode } from "../errors/problem.ts";

/** Whether requests can be served; if not, the reason in one line, for operators. */
export interface Readiness {
  ready: boolean;
  reason?: string;
  /** How long the API has been behind the definitions of custom fields; undefined if it is up to date. */
  customFieldsBehindSeconds?: number;
}

/** How long the database may take to answer, in milliseconds. */
const patience = 2000;

/**
 * Creates the check of `/readyz`: the database answers, accepts the login of the server, and has run the
 * migrations of this version. If a newer version has migrated it further, the database itself declares
 * whether this version can serve it.
 *
 * @param pool the pool of the server.
 * @param migrationsFolder the folder that contains `committed/`.
 */
export function createReadiness(
  pool: RequestPool,
  migrationsFolder: string,
): () => Promise<Readiness> {
  const committed = readCommittedMigrations(migrationsFolder);

  async function ask(): Promise<{ hashes: string[]; oldest: string } | undefined> {
    // Open connections still work after a refusal: only a new one shows whether the login is refused.
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
      if (found === undefined) return { ready: false, reason: "the database answers too slowly" };
      const expected = await committed;
      if (!expected.every(({ hash }, i) => hash === found.hashes[i])) {
        return { ready: false, reason: "migrations are not current" };
      }
      const isNewer = found.hashes.length > expected.length;
      if (isNewer && found.oldest > (expected.at(-1)?.number ?? "")) {
        return { ready: false, reason: "the database requires a newer version of the server" };
      }
      return { ready: true };
    } catch (error) {
      if (hasCode(error, "3F000", "42883")) {
        return { ready: false, reason: "migrations are not current" }; // no migration was run
      }
      const reason =
        pool.refusal === undefined
          ? "the database does not answer"
          : "the database refuses the login of the server";
      return { ready: false, reason };
    }
  };
}
