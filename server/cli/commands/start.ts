import { colorsFor } from "../colors.ts";
import { openServedDatabase, type ServedDatabase } from "../../embedded/open.ts";
import type { GraphiqlTokens } from "../../graphql/serving/graphiql.ts";
import { serve } from "../../http/serve.ts";
import { jwtSecret, tokenRules } from "../../auth/jwt-secret.ts";
import { hasCode, Problem } from "../../errors/problem.ts";
import { signToken, type TokenRole } from "../../auth/token.ts";
import { withConnection } from "../../postgres/connect.ts";
import { inTransaction } from "../../postgres/lend.ts";
import { setSession } from "../../postgres/session.ts";
import type { Config } from "../../settings.ts";
import type { Context } from "./context.ts";

/** The claims of the tokens in development. */
const developer = { user: "developer", expires: "30d" } as const;

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
  const database = await openServedDatabase(config);
  try {
    await database.embedded?.claim(address);
    const tokens =
      config.production || config.keySet !== undefined ? undefined : await signTokens(config);
    const app = serve({
      ...{ config, database, migrates, graphiqlTokens: tokens, note: context.note },
      extension: application?.extension,
      applicationFolder: application?.migrations,
    });
    try {
      await listen(() => app.listen(config.port, config.host), config.port);
      const failed = new Promise<never>((_, reject) => {
        app.ready.then(async () => announce(context, address, tokens, database)).catch(reject);
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

/** Signs a token for each role. */
async function signTokens(config: Config): Promise<GraphiqlTokens> {
  const secret = jwtSecret(config);
  const rules = tokenRules(config);
  const sign = (role: TokenRole) => signToken(secret, { ...developer, role }, rules);
  return { admin: await sign("admin"), member: await sign("member"), reader: await sign("reader") };
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

async function announce(
  { config, print }: Context,
  address: string,
  tokens: GraphiqlTokens | undefined,
  { embedded, serverUrl }: ServedDatabase,
): Promise<void> {
  const { bold, cyan, dim } = colorsFor(process.stdout);
  print(`${bold("pgcrm")} is ready.`);
  print(`  GraphQL   ${cyan(`${address}graphql`)}`);
  if (config.graphiql) print(`  GraphiQL  ${cyan(address)}`);
  if (embedded !== undefined) print("  Database  npx pgcrm url prints its URL, for psql");
  if (tokens === undefined) return;
  if (await isEmpty(serverUrl)) {
    print("  Data      none yet; npx pgcrm demo adds a year of sample data");
  }
  print(
    `  Development administrator token${config.graphiql ? ", which GraphiQL already uses" : ""}:`,
  );
  print(`  ${tokens.admin}`);
  print(dim("  Ctrl-C stops the server and the database."));
}

/** Returns whether there are no companies and no contacts. */
async function isEmpty(serverUrl: string): Promise<boolean> {
  return withConnection(serverUrl, (client) =>
    inTransaction(client, async () => {
      await setSession(client, { role: "crm_reader", userId: "developer" });
      const { rows } = await client.query<{ isEmpty: boolean }>(
        `select not exists (select from crm.companies) and not exists (select from crm.contacts)
           as "isEmpty"`,
      );
      return rows[0]?.isEmpty === true;
    }),
  );
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
