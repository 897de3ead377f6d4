import { pino } from "pino";

import { tokenRules } from "../auth/jwt-secret.ts";
import type { ServedDatabase } from "../embedded/open.ts";
import type { Extension } from "../extension.ts";
import type { GraphiqlTokens } from "../graphql/serving/graphiql.ts";
import { migrateAll } from "../migrations/application.ts";
import { connect } from "../postgres/connect.ts";
import type { Config } from "../settings.ts";
import { type App, createApp } from "./app.ts";

/** The settings and the database of a server. */
export interface Served {
  readonly config: Config;
  readonly database: ServedDatabase;
  readonly extension?: Extension | undefined;
  /** The folder of the application's migrations, if it has any. */
  readonly applicationFolder?: string | undefined;
  /** Whether the server migrates before it serves. */
  readonly migrates: boolean;
  /** The tokens that GraphiQL sends; for development only. */
  readonly graphiqlTokens?: GraphiqlTokens | undefined;
  /** Receives a line for each notable step. */
  readonly note: (line: string) => void;
}

/** Creates a server from settings and an open database. */
export function serve(served: Served): App {
  const { config, database, extension, applicationFolder, migrates, note } = served;
  const { ownerUrl, serverUrl, isServerUrlGiven } = database;
  return createApp({
    ...config,
    serverUrl,
    tokenRules: tokenRules(config),
    logger: pino({ level: config.logLevel }),
    graphiqlTokens: served.graphiqlTokens,
    customFieldsInterval: 1000,
    maintenance: { seal: config.sealInterval, maintain: 3_600_000 },
    extension,
    async prepare() {
      if (ownerUrl !== undefined && migrates) {
        await (await connect(ownerUrl, 2000)).end(); // fails after 2 seconds; migrating would wait longer
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
      await (await connect(serverUrl, 2000)).end(); // reports a fault of the login plainly
    },
  });
}
