import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openEmbedded } from "../server/embedded/embedded.ts";
import { applyCurrent } from "../server/migrations/migrate.ts";
import { deriveServerUrl } from "../server/postgres/server-login.ts";

/** The URLs of a migrated, empty database. */
export interface Throwaway {
  /** The URL of the superuser. */
  readonly ownerUrl: string;
  /** The URL of the role `crm_server`. */
  readonly serverUrl: string;
}

/**
 * Runs a function with a migrated, empty database on a temporary embedded PostgreSQL, and removes both
 * afterwards.
 *
 * @param work the function, which receives the URLs of the database.
 * @param binaries the folder of another PostgreSQL than the embedded one; see `openEmbedded`.
 */
export async function withThrowawayDatabase<Result>(
  work: (database: Throwaway) => Promise<Result>,
  binaries?: string,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "pgcrm-throwaway-"));
  await chmod(folder, 0o755); // PostgreSQL may run as another user
  const embedded = await openEmbedded({ folder: join(folder, "postgres"), binaries });
  try {
    await embedded.ensureDatabase("crm");
    const ownerUrl = embedded.url("crm");
    const database = { ownerUrl, serverUrl: deriveServerUrl(ownerUrl) };
    await applyCurrent(database);
    return await work(database);
  } finally {
    await embedded.close();
    await rm(folder, { recursive: true, force: true });
  }
}
