import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

import pg from "pg";

import { createClient } from "./client.ts";
import { describeConnectionError } from "./connect.ts";
import { changeUrl, urlPassword } from "./database-url.ts";
import { exitCodes, hasCode, Problem } from "../errors/problem.ts";

const { escapeIdentifier, escapeLiteral } = pg;

/** The role that the server logs in with. It can only switch to the roles that tokens name. */
export const serverRole = "crm_server";

/**
 * Derives the URL that the server logs in with from that of the owner: the same database, the role
 * `crm_server`, and a password that is the same for all servers with the same owner's URL.
 *
 * @param ownerUrl the URL of the database owner. If it has no password, the result has none either.
 */
export function deriveServerUrl(ownerUrl: string): string {
  return deriveUrl(ownerUrl, serverRole);
}

/** Derives the URL of a role of pgcrm, as {@link deriveServerUrl}. */
export function deriveUrl(ownerUrl: string, role: string): string {
  const ownerPassword = urlPassword(ownerUrl);
  const password =
    ownerPassword === undefined
      ? null
      : createHmac("sha256", ownerPassword).update(role).digest("base64url");
  return changeUrl(ownerUrl, { user: role, password });
}

/** The state of the server's login. */
export type LoginState =
  /** The login works. */
  | "works"
  /** The login has another password. */
  | "differs"
  /** The role does not exist, or has no password yet. */
  | "missing"
  /** The URL has no password: the server is authenticated in another way. */
  | "unknown";

/**
 * Checks whether the server can log in, without changing anything.
 *
 * @param owner a connection of the database owner.
 * @param serverUrl the URL of the server's login.
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
  if (!rows[0].isSuperuser) return "differs"; // only a superuser may read pg_authid
  const { rowCount } = await owner.query(
    "select from pg_authid where rolname = $1 and rolpassword is null",
    [serverRole],
  );
  return rowCount === 0 ? "differs" : "missing";
}

/**
 * Sets the password of the login role. PostgreSQL receives only the verifier, so the password is not in the
 * logs of the database.
 *
 * @param owner a connection of a role that may alter `crm_server`.
 * @param serverUrl the URL with the new password.
 * @throws {Problem} if the role may not be altered; the message contains the remedy.
 */
export async function setServerPassword(owner: pg.ClientBase, serverUrl: string): Promise<void> {
  const password = urlPassword(serverUrl);
  if (password === undefined) return;
  try {
    await setPassword(owner, serverRole, password);
  } catch (error) {
    if (!hasCode(error, "42501")) throw error;
    throw new Problem(
      `The owner may not set the password of ${serverRole}. Have a superuser set it with ` +
        `\\password ${serverRole} in psql, and set SERVER_DATABASE_URL to a URL with this password.`,
      exitCodes.failure,
      error,
    );
  }
}

/** Sets the password of a role. PostgreSQL receives only the verifier. */
export async function setPassword(
  owner: pg.ClientBase,
  role: string,
  password: string,
): Promise<void> {
  const verifier = escapeLiteral(scramVerifier(password));
  await owner.query(`alter role ${escapeIdentifier(role)} password ${verifier}`);
}

/** Returns the message about a login with another password than the given or derived one. */
export function describeDifference(isServerUrlGiven: boolean): string {
  const whose = isServerUrlGiven
    ? "the one in SERVER_DATABASE_URL"
    : "the one derived from that of the owner";
  return (
    `The password of ${serverRole} differs from ${whose}, and was not changed. ` +
    "Set SERVER_DATABASE_URL to a URL with its password; or, to change the password for all servers that " +
    "use it, run npx pgcrm migrate --set-server-password."
  );
}

/**
 * Returns the SCRAM-SHA-256 verifier of a password (RFC 5802, RFC 7677), as PostgreSQL stores it.
 *
 * @param password in ASCII, so that it needs no normalization.
 * @param salt at least 16 random bytes.
 * @param iterations the number of iterations of PBKDF2.
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
