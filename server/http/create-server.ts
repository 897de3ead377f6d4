import type { Server } from "node:http";

import { openServedDatabase } from "../embedded/open.ts";
import type { Extension } from "../extension.ts";
import { readConfig } from "../settings.ts";
import { serve } from "./serve.ts";

/** The options of {@link createServer}. */
export interface ServerOptions {
  /** The settings by name, such as `DATABASE_URL` and `PORT`; by default `process.env`. */
  readonly settings?: Readonly<Record<string, string | undefined>>;
  /** The extension of the application. Its settings are defaults for those that `settings` lacks. */
  readonly extension?: Extension;
  /** The folder of the application's migrations, which contains `committed/`. */
  readonly migrations?: string;
  /** Receives a line for each notable step. */
  readonly note?: (line: string) => void;
}

/** A server of the GraphQL API. */
export interface PgcrmServer {
  /** Resolves once GraphQL is served; rejects if that is impossible. */
  readonly ready: Promise<void>;
  /** Listens at the address of the settings, or at the given one. Port 0 chooses a free port. */
  listen(port?: number, host?: string): Promise<Server>;
  /** Refuses new requests, waits for running ones, and closes the database. */
  close(): Promise<void>;
}

/**
 * Creates a server like that of `npx pgcrm start`. It opens the database of the settings, by default the
 * embedded one, migrates it if the owner's URL is known, and serves GraphQL.
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
