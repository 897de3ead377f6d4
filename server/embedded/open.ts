import { join } from "node:path";

import type { Config } from "../settings.ts";
import { type EmbeddedDatabase, openEmbedded } from "./embedded.ts";
import { exitCodes, Problem } from "../errors/problem.ts";
import { deriveServerUrl } from "../postgres/server-login.ts";

/** The name of the embedded database. */
const embeddedName = "pgcrm";

/** The database that a command works on. */
export interface Database {
  readonly ownerUrl: string;
  /** The URL that the server logs in with. */
  readonly serverUrl: string;
  /** Whether `serverUrl` was set, and not derived from the owner's URL. */
  readonly isServerUrlGiven: boolean;
  /** Set if the database is the embedded one. */
  readonly embedded?: EmbeddedDatabase | undefined;
  close(): Promise<void>;
}

/** The database of a server. A server that does not migrate needs no owner. */
export type ServedDatabase = Omit<Database, "ownerUrl"> & {
  readonly ownerUrl?: string | undefined;
};

/**
 * Opens the database of the settings, to serve it: that of a PostgreSQL server, or the embedded one, which
 * is started if it is not running.
 *
 * @param config the settings.
 * @throws {Problem} if the embedded database cannot be started.
 */
export async function openServedDatabase(config: Config): Promise<ServedDatabase> {
  const { databaseUrl: ownerUrl, serverDatabaseUrl } = config;
  const serverUrl = serverDatabaseUrl ?? (ownerUrl && deriveServerUrl(ownerUrl));
  if (serverUrl !== undefined) {
    const isServerUrlGiven = serverDatabaseUrl !== undefined;
    return { ownerUrl, serverUrl, isServerUrlGiven, close: () => Promise.resolve() };
  }
  const embedded = await openEmbedded({ folder: join(config.dataFolder, "postgres") });
  await embedded.ensureDatabase(embeddedName);
  const url = embedded.url(embeddedName);
  return {
    ownerUrl: url,
    serverUrl: deriveServerUrl(url),
    isServerUrlGiven: false,
    embedded,
    close: () => embedded.close(),
  };
}

/**
 * Opens the database of the settings, to work on it as its owner.
 *
 * @param config the settings.
 * @throws {Problem} if they contain only the server's login; and as {@link openServedDatabase}.
 */
export async function openDatabase(config: Config): Promise<Database> {
  const { ownerUrl, ...database } = await openServedDatabase(config);
  if (ownerUrl === undefined) {
    throw new Problem(
      "This command requires the owner of the database: set DATABASE_URL to the owner's URL.",
      exitCodes.usage,
    );
  }
  return { ownerUrl, ...database };
}

/**
 * Runs a function with the database and closes it afterwards.
 *
 * @param config the settings.
 * @param work receives the database.
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
