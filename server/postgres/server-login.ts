import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

import pg from "pg";

import { createClient } from "./client.ts";
import { describeConnectionError } from "./connect.ts";
import { changeUrl, urlPassword } from "./database-url.ts";
import { exitCodes, hasCode, Problem } from "../errors/problem.ts";

const { escapeIdentifier, escapeLiteral } = pg;

/** The role that the server logs in with; it may only become one of the roles that tokens name. */
export const serverRole = "crm_server";

/**
 * The URL that the server logs in with, derived from the owner's: the same place, the role
 * `crm_server`, and a password that every server with the same owner's URL agrees on.
 *
 * @param ownerUrl the database owner's URL; without a password in it, the result has none either.
 */
export function deriveServerUrl(ownerUrl: string): string {
  return deriveUrl(ownerUrl, serverRole);
}

/** The URL of a role of pgcrm, with a password that is derived from the owner's, as {@link deriveServerUrl}. */
export function deriveUrl(ownerUrl: string, role: string): string {
  const ownerPassword = urlPassword(ownerUrl);
  const password =
    ownerPassword === undefined
      ? null
      : createHmac("sha256", ownerPassword).update(role).digest("base64url");
  return changeUrl(ownerUrl, { user: role, password });
}

/** What there is of the login that the server is to use. */
export type LoginState =
  /** It works. */
  | "works"
  /** There is a login, and it takes another password. */
  | "differs"
  /** The role is not there, or has no password yet. */
  | "missing"
  /** The URL has no password: how it is let in is the business of whoever wrote the URL. */
  | "unknown";

/**
 * Looks whether the server can log in, before anything is changed.
 *
 * @param owner a connection of the database's owner.
 * @param serverUrl the URL that the server is to log in with.
 */
export async function readLogin(owner: pg.ClientBase, serverUrl: string): Promise<LoginState> {
  const { rows } = await owner.query<{ exists: boolean; isSuperuser: boolean }>(
    `select to_regrole($1) is not null as exists, rolsuper as "isSuperuser"
     from pg_roles where rolname = current_user`,
    [serverRole],
  );
  if (rows[0]?.exists !== true) return "missing";
  if (urlPassword(serverUrl) === undefined) return "unknown";
  if (await canLogIn(serverUrl)) return "works";
  if (!rows[0].isSuperuser) return "differs"; // others may not look
  const { rowCount } = await owner.query(
    "select from pg_authid where rolname = $1 and rolpassword is null",
    [serverRole],
  );
  return rowCount === 0 ? "differs" : "missing";
}

/**
 * Gives the login role a password. PostgreSQL is handed the verifier only, so the password reaches no
 * log of the server.
 *
 * @param owner a connection of a role that may alter `crm_server`.
 * @param serverUrl the URL that is to work afterwards.
 * @throws {Problem} when the role may not be altered; it says what to do.
 */
export async function setServerPassword(owner: pg.ClientBase, serverUrl: string): Promise<void> {
  const password = urlPassword(serverUrl);
  if (password === undefined) return;
  try {
    await setPassword(owner, serverRole, password);
  } catch (error) {
    if (!hasCode(error, "42501")) throw error;
    throw new Problem(
      `The owner may not give ${serverRole} a password: let a superuser do so, ` +
        `\\password ${serverRole} in psql, and set SERVER_DATABASE_URL to the URL with it.`,
      exitCodes.failure,
      error,
    );
  }
}

/** Gives a role a password, of which PostgreSQL is handed the verifier only. */
export async function setPassword(
  owner: pg.ClientBase,
  role: string,
  password: string,
): Promise<void> {
  const verifier = escapeLiteral(scramVerifier(password));
  await owner.query(`alter role ${escapeIdentifier(role)} password ${verifier}`);
}

/** What to say of a login that takes another password than the one at hand. */
export function describeDifference(isServerUrlGiven: boolean): string {
  const whose = isServerUrlGiven
    ? "that of SERVER_DATABASE_URL"
    : "the one that is derived from the owner's";
  return (
    `${serverRole} has another password than ${whose}, and keeps it. ` +
    "Set SERVER_DATABASE_URL to the URL with its password; or, to change the password under all " +
    "servers that use it, run npx pgcrm migrate --set-server-password."
  );
}

/**
 * The SCRAM-SHA-256 verifier of a password (RFC 5802, RFC 7677), as PostgreSQL stores it.
 *
 * @param password ASCII, so that it needs no preparation.
 * @param salt at least 16 random bytes.
 * @param iterations of PBKDF2.
 */
export function scramVerifier(
  password: string,
  salt: Buffer = randomBytes(16),
  iterations = 4096,
): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

async function canLogIn(url: string): Promise<boolean> {
  const client = createClient(url, { connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (hasCode(error, "28P01")) return false;
    throw describeConnectionError(error, url);
  } finally {
    await client.end().catch(() => undefined);
  }
}
