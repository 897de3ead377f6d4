import type { Server } from "node:http";

import { openServedDatabase } from "../embedded/open.ts";
import type { Extension } from "../extension.ts";
import { readConfig } from "../settings.ts";
import { serve } from "./serve.ts";

/** What {@link createServer} is given. */
export interface ServerOptions {
  /** The settings by their names, such as `DATABASE_URL` and `PORT`; `process.env` if not given. */
  readonly settings?: Readonly<Record<string, string | undefined>>;
  /** What the application adds; of its settings, those that `settings` does not have count. */
  readonly extension?: Extension;
  /** The folder of the application's own migrations, which has `committed/`. */
  readonly migrations?: string;
  /** Receives a line for each step that is worth one; nobody does if not given. */
  readonly note?: (line: string) => void;
}

/** A server of the GraphQL API. */
export interface PgcrmServer {
  /** Resolves once GraphQL is served; rejects if it never will be. */
  readonly ready: Promise<void>;
  /** Begins to listen at the address of the settings, or another. Port 0 takes a free one. */
  listen(port?: number, host?: string): Promise<Server>;
  /** Stops: refuses what is new, lets what runs finish, and closes the database. */
  close(): Promise<void>;
}

/**
 * Makes a server, as `npx pgcrm start` does: opens the database of the settings (the embedded one if they
 * name none), migrates it where the owner's URL is known, and serves GraphQL.
 *
 * @throws {Problem} if a setting is not valid or is missing.
 */
export async function createServer(options: ServerOptions = {}): Promise<PgcrmServer> {
  const { settings = process.env, extension, migrations, note = () => undefined } = options;
  const config = readConfig({ ...extension?.settings, ...settings });
  const database = await openServedDatabase(config);
  try {
    const app = serve({
      config,
      database,
      extension,
      applicationFolder: migrations,
      migrates: config.migrateOnStart,
      note,
    });
    return {
      ready: app.ready,
      listen: (port = config.port, host = config.host) => app.listen(port, host),
      async close() {
        try {
          await app.close();
        } finally {
          await database.close();
        }
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
