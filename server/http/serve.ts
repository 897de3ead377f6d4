import { pino } from "pino";

import { tokenRules } from "../auth/jwt-secret.ts";
import type { ServedDatabase } from "../embedded/open.ts";
import type { Extension } from "../extension.ts";
import { migrateAll } from "../migrations/application.ts";
import { connect } from "../postgres/connect.ts";
import type { Config } from "../settings.ts";
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
