import type pg from "pg";

import { createClient } from "./client.ts";
import { databaseName, shownUrl } from "./database-url.ts";
import { exitCodes, hasCode, Problem } from "../errors/problem.ts";

/** How long it may take to connect, in milliseconds. */
const defaultPatience = 10_000;

/**
 * Opens one connection.
 *
 * @param url a `postgres://` URL.
 * @param patience how long it may take, in milliseconds.
 * @throws {Problem} when the server cannot be reached, refuses the login, or has no such database.
 */
export async function connect(url: string, patience = defaultPatience): Promise<pg.Client> {
  const client = createClient(url, { connectionTimeoutMillis: patienceOf(url) ?? patience });
  // A connection that is cut between two statements fails the next one, not the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw describeConnectionError(error, url, patienceOf(url) ?? patience);
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

/** The time that a URL gives, in milliseconds; 0 for any. */
function patienceOf(url: string): number | undefined {
  const seconds = new URL(url).searchParams.get("connect_timeout");
  return seconds === null ? undefined : Math.max(Number(seconds), 0) * 1000;
}

/** What OpenSSL says of a certificate that is not believed. */
const distrusted = [
  ...["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT"],
  ...["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "CERT_UNTRUSTED"],
  ...["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "CERT_REVOKED", "CERT_REJECTED", "INVALID_CA"],
  ...["CERT_SIGNATURE_FAILURE", "UNABLE_TO_GET_CRL", "CRL_HAS_EXPIRED", "INVALID_PURPOSE"],
];

/** Says plainly why there is no connection; an error that is not about that is given back. */
export function describeConnectionError(
  error: unknown,
  url: string,
  patience = defaultPatience,
): unknown {
  const where = shownUrl(url);
  const message = error instanceof Error ? error.message : "";
  if (hasCode(error, "28P01")) {
    return new Problem(
      `The database refuses the login at ${where}; check user and password.`,
      exitCodes.failure,
      error,
    );
  }
  if (hasCode(error, "28000")) {
    return new Problem(
      `The database refuses the login at ${where}: ${message}.`,
      exitCodes.failure,
      error,
    );
  }
  if (hasCode(error, ...distrusted)) {
    return new Problem(
      `The certificate of the database at ${where} is not trusted (${message}): set PGSSLROOTCERT ` +
        "to the file of the certificate that has signed it.",
      exitCodes.failure,
      error,
    );
  }
  if (hasCode(error, "ERR_TLS_CERT_ALTNAME_INVALID")) {
    return new Problem(
      `The certificate of the database at ${where} is not that of this host (${message}); ` +
        "PGSSLMODE=verify-ca believes it all the same.",
      exitCodes.failure,
      error,
    );
  }
  if (message === "The server does not support SSL connections") {
    return new Problem(
      `The database at ${where} has no TLS, which sslmode (PGSSLMODE) requires.`,
      exitCodes.failure,
      error,
    );
  }
  if (/^ERR_(?:SSL|OSSL|TLS)_/.test(codeOf(error))) {
    return new Problem(
      `No TLS connection to the database at ${where} could be made: ${message.trim()}.`,
      exitCodes.failure,
      error,
    );
  }
  if (hasCode(error, "3D000")) {
    return new Problem(
      `There is no database "${databaseName(url)}" at ${where}; ` +
        `create it, or let npx pgcrm reset do so.`,
    );
  }
  if (
    hasCode(error, "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENOENT", "ETIMEDOUT", "EHOSTUNREACH")
  ) {
    return new Problem(
      `No database answers at ${where}; check that it runs, and DATABASE_URL or PGHOST.`,
      exitCodes.failure,
      error,
    );
  }
  if (/timeout/i.test(message)) {
    return new Problem(
      `The database at ${where} did not answer within ${patience / 1000} seconds.`,
      exitCodes.failure,
      error,
    );
  }
  return error;
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
