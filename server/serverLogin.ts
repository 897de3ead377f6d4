import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

import pg from "pg";

import { withConnection } from "./connect.ts";
import { changeUrl, urlPassword } from "./databaseUrl.ts";
import { hasCode } from "./problem.ts";

/** The role that the server logs in with; it may only become one of the roles that tokens name. */
export const serverRole = "crm_server";

/**
 * The URL that the server logs in with, derived from the owner's: the same place, the role
 * `crm_server`, and a password that every server with the same owner's URL agrees on.
 *
 * @param ownerUrl the database owner's URL; without a password in it, the result has none either.
 */
export function deriveServerUrl(ownerUrl: string): string {
  const ownerPassword = urlPassword(ownerUrl);
  const password =
    ownerPassword === undefined
      ? null
      : createHmac("sha256", ownerPassword).update(serverRole).digest("base64url");
  return changeUrl(ownerUrl, { user: serverRole, password });
}

/**
 * Gives the login role its password, where it cannot log in with it yet. PostgreSQL is handed the
 * verifier only, so the password reaches no server log.
 *
 * @param ownerUrl the URL of a role that may alter `crm_server`.
 * @param serverUrl the URL that is to work afterwards; nothing is done when it has no password.
 */
export async function ensureServerLogin(ownerUrl: string, serverUrl: string): Promise<void> {
  const password = urlPassword(serverUrl);
  if (password === undefined || (await canLogIn(serverUrl))) return;
  await withConnection(ownerUrl, async (client) => {
    const verifier = client.escapeLiteral(scramVerifier(password));
    await client.query(`alter role ${serverRole} password ${verifier}`);
  });
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
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (hasCode(error, "28P01", "28000")) return false;
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}
