import { jwtVerify } from "jose";
import { z } from "zod";

import { UnauthenticatedError } from "./errors.ts";

/** The settings of one request's transaction: who asks, and by which way. */
export interface PgSettings extends Record<string, string> {
  role: string;
  "crm.user_id": string;
  "crm.source": string;
}

const claimsSchema = z.object({
  // Printable and not blank: it becomes a setting of the database and a name in the journal, where
  // db:<role> is whoever logged in to the database by themselves.
  sub: z
    .string()
    .max(255)
    .regex(/^(?!db:)(?=.*\S)\P{Cc}+$/u),
  role: z.enum(["reader", "member", "admin"]),
});

/** Turns the value of an `Authorization` header into the settings of a transaction. */
export type Authenticate = (authorization: string | undefined) => Promise<PgSettings>;

/**
 * Makes the check of bearer tokens: HS256, with expiry, subject and role.
 *
 * @param jwtSecret the shared secret, at least 32 bytes
 * @returns a function that throws `UnauthenticatedError` unless the token is good
 */
export function createAuthenticate(jwtSecret: string): Authenticate {
  const key = new TextEncoder().encode(jwtSecret);

  return async (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) throw new UnauthenticatedError("A bearer token is required");
    const claims = claimsSchema.safeParse(await payloadOf(token, key));
    if (!claims.success) throw new UnauthenticatedError("The token names no user or no role");
    const { sub, role } = claims.data;
    return { role: `crm_${role}`, "crm.user_id": sub, "crm.source": "api" };
  };
}

async function payloadOf(token: string, key: Uint8Array): Promise<unknown> {
  try {
    const options = { algorithms: ["HS256"], requiredClaims: ["exp", "sub"] };
    return (await jwtVerify(token, key, options)).payload;
  } catch {
    throw new UnauthenticatedError("The token is not valid, or has expired");
  }
}
