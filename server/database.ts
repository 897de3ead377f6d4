import { join } from "node:path";

import type { Config } from "./config.ts";
import { type EmbeddedDatabase, openEmbedded } from "./embedded.ts";
import { deriveServerUrl } from "./serverLogin.ts";

/** The database's name where it is the embedded one. */
const embeddedName = "pgcrm";

/** The database that a command works on. */
export interface Database {
  readonly ownerUrl: string;
  /** The URL that the server logs in with. */
  readonly serverUrl: string;
  /** Set where the database is the embedded one. */
  readonly embedded?: EmbeddedDatabase | undefined;
  close(): Promise<void>;
}

/**
 * Opens the database that the settings name: a server at DATABASE_URL, or the embedded one, which is
 * started if need be.
 *
 * @param config the settings.
 * @throws {Problem} when the embedded database cannot be started.
 */
export async function openDatabase(config: Config): Promise<Database> {
  if (config.databaseUrl !== undefined) {
    const ownerUrl = config.databaseUrl;
    const serverUrl = config.serverDatabaseUrl ?? deriveServerUrl(ownerUrl);
    return { ownerUrl, serverUrl, close: () => Promise.resolve() };
  }
  const embedded = await openEmbedded({ folder: join(config.dataFolder, "postgres") });
  await embedded.ensureDatabase(embeddedName);
  const ownerUrl = embedded.url(embeddedName);
  const serverUrl = deriveServerUrl(ownerUrl);
  return { ownerUrl, serverUrl, embedded, close: () => embedded.close() };
}

/**
 * Runs a function with the database and closes it afterwards.
 *
 * @param config the settings.
 * @param work what to do.
 */
export async function withDatabase<Result>(
  config: Config,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const database = await openDatabase(config);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
