import { colorsFor } from "../colors.ts";
import { openServedDatabase, type ServedDatabase } from "../../embedded/open.ts";
import { serve } from "../../http/serve.ts";
import { jwtSecret, tokenRules } from "../../auth/jwt-secret.ts";
import { hasCode, Problem } from "../../errors/problem.ts";
import { signToken } from "../../auth/token.ts";
import type { Context } from "./context.ts";

/** The claims of the token that is printed in development. */
const developer = { role: "admin", user: "developer", expires: "30d" } as const;

/**
 * Migrates the database as soon as it is reachable, and serves until SIGINT or SIGTERM. Then it finishes
 * running requests, refuses new ones, and stops the embedded database. If `migrate` is false, it waits
 * until the database is migrated.
 *
 * @param options whether it migrates; by default the settings decide.
 * @throws {Problem} if a setting is missing, the port is in use, or another server uses the embedded
 *   database.
 */
export async function startCommand(
  context: Context,
  options: { migrate?: boolean } = {},
): Promise<void> {
  const { config, application } = context;
  const migrates = config.migrateOnStart && options.migrate !== false;
  const stopRequest = nextStopSignal();
  const address = `http://${config.host === "127.0.0.1" ? "localhost" : config.host}:${config.port}/`;
  const rules = tokenRules(config);
  const database = await openServedDatabase(config);
  try {
    await database.embedded?.claim(address);
    const token =
      config.production || config.keySet !== undefined
        ? undefined
        : await signToken(jwtSecret(config), developer, rules);
    const app = serve({
      ...{ config, database, migrates, graphiqlToken: token, note: context.note },
      extension: application?.extension,
      applicationFolder: application?.migrations,
    });
    try {
      await listen(() => app.listen(config.port, config.host), config.port);
      const failed = new Promise<never>((_, reject) => {
        app.ready.then(() => announce(context, address, token, database), reject);
        database.embedded?.onLost(() => {
          reject(new Problem("The embedded database stopped unexpectedly; see its server.log."));
        });
      });
      await Promise.race([stopRequest, failed]);
      context.note("Stopping.");
    } finally {
      await app.close();
    }
  } finally {
    await database.close();
  }
}

async function listen(start: () => Promise<unknown>, port: number): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (hasCode(error, "EADDRINUSE")) {
      throw new Problem(`Port ${port} is in use by another program; set PORT to a free port.`);
    }
    if (hasCode(error, "EACCES")) {
      throw new Problem(`This user may not listen on port ${port}; set PORT to a port above 1023.`);
    }
    if (hasCode(error, "EADDRNOTAVAIL", "ENOTFOUND")) {
      throw new Problem("HOST is not an address of this machine.");
    }
    throw error;
  }
}

function announce(
  { config, print }: Context,
  address: string,
  token: string | undefined,
  { embedded }: ServedDatabase,
): void {
  const { bold, cyan, dim } = colorsFor(process.stdout);
  print(`${bold("pgcrm")} is ready.`);
  print(`  GraphQL   ${cyan(`${address}graphql`)}`);
  if (config.graphiql) print(`  GraphiQL  ${cyan(address)}`);
  if (embedded !== undefined) print("  Database  npx pgcrm url prints its URL, for psql");
  if (token === undefined) return;
  print(
    `  Development administrator token${config.graphiql ? ", which GraphiQL already uses" : ""}:`,
  );
  print(`  ${token}`);
  print(dim("  Ctrl-C stops the server and the database."));
}

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP, or when the parent process that started this one has
 * ended. Later signals are ignored.
 */
async function nextStopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => resolve());
    process.once("disconnect", () => resolve());
    process.channel?.unref(); // it does not keep the process running
  });
}
