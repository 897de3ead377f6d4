import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pool } from "pg";

/** Whether requests can be served, and if not, why not: in one line, for whoever watches. */
export interface Readiness {
  ready: boolean;
  reason?: string;
}

/**
 * Makes the check behind `/readyz`: the database answers, and has run exactly the migrations of
 * this version.
 *
 * @param migrationsFolder the folder of the committed migrations
 */
export function createReadiness(pool: Pool, migrationsFolder: string): () => Promise<Readiness> {
  const committed = committedHashes(migrationsFolder);

  return async () => {
    try {
      const { rows } = await pool.query<{ hash: string }>(
        "select hash from crm_private.applied_migrations() as applied (hash)",
      );
      const expected = await committed;
      const isCurrent =
        rows.length === expected.length && rows.every(({ hash }, i) => hash === expected[i]);
      return isCurrent ? { ready: true } : { ready: false, reason: "migrations are not current" };
    } catch {
      return { ready: false, reason: "the database does not answer" };
    }
  };
}

/** The hashes of the committed migrations, in their order, out of the header of each file. */
async function committedHashes(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => /^\d{6}.*\.sql$/.test(file)).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
  return texts.map((text) => /^--! Hash: (\S+)$/m.exec(text)?.[1] ?? "");
}
