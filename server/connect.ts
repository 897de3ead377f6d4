import pg from "pg";

import { databaseName, shownUrl } from "./databaseUrl.ts";
import { exitCodes, hasCode, Problem } from "./problem.ts";

/**
 * Opens one connection.
 *
 * @param url a `postgres://` URL.
 * @param patience how long it may take, in milliseconds.
 * @throws {Problem} when the server cannot be reached, refuses the login, or has no such database.
 */
export async function connect(url: string, patience = 10_000): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: patience });
  // A connection that is cut between two statements fails the next one, not the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw describeConnectionError(error, url, patience);
  }
  return client;
}

/**
 * Runs a function with one connection and closes it afterwards.
 *
 * @param url a `postgres://` URL.
 * @param work what to do with the connection.
 * @throws {Problem} as {@link connect}; and whatever `work` throws.
 */
export async function withConnection<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await connect(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function describeConnectionError(error: unknown, url: string, patience: number): unknown {
  const where = shownUrl(url);
  if (hasCode(error, "28P01", "28000")) {
    return new Problem(`The database refuses the login at ${where}; check user and password.`);
  }
  if (hasCode(error, "3D000")) {
    return new Problem(
      `There is no database "${databaseName(url)}" at ${where}; ` +
        `create it, or let npm run db:reset do so.`,
    );
  }
  if (
    hasCode(error, "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENOENT", "ETIMEDOUT", "EHOSTUNREACH")
  ) {
    return new Problem(
      `No database answers at ${where}; check DATABASE_URL and that it runs.`,
      exitCodes.failure,
      error,
    );
  }
  if (error instanceof Error && /timeout/i.test(error.message)) {
    return new Problem(
      `The database at ${where} did not answer within ${patience / 1000} seconds.`,
      exitCodes.failure,
      error,
    );
  }
  return error;
}
