import { z } from "zod";

import { UnauthenticatedError, UnavailableError } from "./errors.ts";
import { createVerifyToken, type TokenRules } from "./tokenKeys.ts";

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
 * Makes the check of bearer tokens: signature, times, issuer, audience, subject and role. Whatever is
 * wrong, the answer is the same: it teaches nobody how to forge a better one.
 *
 * @param rules which tokens are believed
 * @param onRefused is told why a token was refused, for the log; never the token
 * @returns a function that throws `UnauthenticatedError` unless the token is good, and
 *   `UnavailableError` where the keys to verify it cannot be had
 */
export function createAuthenticate(
  rules: TokenRules,
  onRefused: (reason: string) => void = () => undefined,
): Authenticate {
  const verify = createVerifyToken(rules);

  return async (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) throw new UnauthenticatedError();
    try {
      const { sub, role } = claimsSchema.parse(await verify(token));
      return { role: `crm_${role}`, "crm.user_id": sub, "crm.source": "api" };
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      onRefused(reasonOf(error));
      throw new UnauthenticatedError();
    }
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return `claim ${error.issues[0]?.path.join(".") ?? ""}`;
  return error instanceof Error ? error.message : String(error);
}
