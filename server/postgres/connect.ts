import type pg from "pg";

import { isUnreachable } from "./away.ts";
import { createClient } from "./client.ts";
import { databaseName, shownUrl } from "./database-url.ts";
import { exitCodes, hasCode, Problem } from "../errors/problem.ts";

/** The timeout for connecting, in milliseconds. */
const defaultPatience = 10_000;

/**
 * Opens one connection.
 *
 * @param url a `postgres://` URL.
 * @param patience the timeout in milliseconds, unless the URL sets one.
 * @throws {Problem} if the server cannot be reached, refuses the login, or has no such database.
 */
export async function connect(url: string, patience = defaultPatience): Promise<pg.Client> {
  const client = createClient(url, { connectionTimeoutMillis: patienceOf(url) ?? patience });
  // If the connection is lost between two statements, the next one fails, not the process.
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
 * @throws {Problem} as {@link connect}; and the errors of `work`.
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

/** Returns the timeout that a URL sets, in milliseconds; 0 for none. */
function patienceOf(url: string): number | undefined {
  const seconds = new URL(url).searchParams.get("connect_timeout");
  return seconds === null ? undefined : Math.max(Number(seconds), 0) * 1000;
}

/** Codes of OpenSSL for a certificate that is not trusted. */
const distrusted = [
  ...["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT"],
  ...["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "CERT_UNTRUSTED"],
  ...["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "CERT_REVOKED", "CERT_REJECTED", "INVALID_CA"],
  ...["CERT_SIGNATURE_FAILURE", "UNABLE_TO_GET_CRL", "CRL_HAS_EXPIRED", "INVALID_PURPOSE"],
];

/** Returns a `Problem` with the reason why connecting failed, or the error itself if it is unknown. */
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
        "to the file of the root certificate that signed it.",
      exitCodes.failure,
      error,
    );
  }
  if (hasCode(error, "ERR_TLS_CERT_ALTNAME_INVALID")) {
    return new Problem(
      `The certificate of the database at ${where} is for another host (${message}); ` +
        "PGSSLMODE=verify-ca does not check the host.",
      exitCodes.failure,
      error,
    );
  }
  if (message === "The server does not support SSL connections") {
    return new Problem(
      `The database at ${where} does not support TLS, which sslmode (PGSSLMODE) requires.`,
      exitCodes.failure,
      error,
    );
  }
  if (/^ERR_(?:SSL|OSSL|TLS)_/.test(codeOf(error))) {
    return new Problem(
      `The TLS connection to the database at ${where} failed: ${message.trim()}.`,
      exitCodes.failure,
      error,
    );
  }
  if (hasCode(error, "3D000")) {
    return new Problem(
      `There is no database "${databaseName(url)}" at ${where}; ` +
        `create it, or run npx pgcrm reset.`,
    );
  }
  if (message === "timeout expired") {
    return new Problem(
      `The database at ${where} did not answer within ${patience / 1000} seconds.`,
      exitCodes.failure,
      error,
    );
  }
  if (isUnreachable(error)) {
    return new Problem(
      `No database is reachable at ${where}; check that it runs, and check DATABASE_URL or PGHOST.`,
      exitCodes.failure,
      error,
    );
  }
  return error;
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
