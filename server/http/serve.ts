import type { Server } from "node:http";

import { pino } from "pino";

import { tokenRules } from "../auth/jwt-secret.ts";
import { openServedDatabase, type ServedDatabase } from "../embedded/open.ts";
import type { Extension } from "../extension.ts";
import { migrateAll } from "../migrations/application.ts";
import { connect } from "../postgres/connect.ts";
import { type Config, readConfig } from "../settings.ts";
import { type App, createApp } from "./app.ts";

/** What a server is made of that the command line starts. */
export interface Served {
  readonly config: Config;
  readonly database: ServedDatabase;
  readonly extension?: Extension | undefined;
  /** The folder of the application's own migrations, if it has any. */
  readonly applicationFolder?: string | undefined;
  /** Whether it migrates before it serves. */
  readonly migrates: boolean;
  /** A token that GraphiQL sends by itself; for development only. */
  readonly graphiqlToken?: string | undefined;
  /** Receives what is worth a line. */
  readonly note: (line: string) => void;
}

/** Makes a server of settings and an open database. */
export function serve(served: Served): App {
  const { config, database, extension, applicationFolder, migrates, note } = served;
  const { ownerUrl, serverUrl, isServerUrlGiven } = database;
  return createApp({
    ...config,
    serverUrl,
    tokenRules: tokenRules(config),
    logger: pino({ level: config.logLevel }),
    graphiqlToken: served.graphiqlToken,
    customFieldsInterval: 1000,
    maintenance: { seal: config.sealInterval, maintain: 3_600_000 },
    extension,
    async prepare() {
      if (ownerUrl !== undefined && migrates) {
        await (await connect(ownerUrl, 2000)).end(); // migrating has more patience than waiting
        const names = await migrateAll(
          {
            ownerUrl,
            serverUrl,
            isServerUrlGiven,
            otherPassword: "refuse",
            acceptsNewer: true,
          },
          applicationFolder,
        );
        if (names.length > 0) note(`Ran ${names.join(", ")}.`);
      }
      await (await connect(serverUrl, 2000)).end(); // says plainly what is wrong with the login
    },
  });
}

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
        await app.close();
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
