import { z } from "zod";

import { apiKeyBeginning, type CheckApiKey } from "./api-keys.ts";
import { CrmError, UnauthenticatedError } from "../errors/classes.ts";
import { hasHidden, isBlank, withoutBlankBeginning } from "../model/rules.ts";
import type { Identity } from "./token.ts";
import { createVerifyToken, type TokenRules } from "./token-keys.ts";

/** The settings of one request's transaction: who asks, and by which way. */
export interface PgSettings extends Record<string, string> {
  role: string;
  "crm.user_id": string;
  "crm.source": string;
}

const claimsSchema = z.object({
  // Printable, and something can be seen of it: it becomes a setting of the database and a name in
  // the audit log, where db:<role> is whoever logged in to the database by themselves, and key:<name> an
  // API key. Nor may it look like these, in capitals or behind something that shows nothing.
  sub: z
    .string()
    .max(255)
    .regex(/^(?!\s*(?:db|key):)(?=.*[^\s\p{Cf}\p{M}])[^\p{Cc}\p{Cs}]+$/isu)
    .refine((sub) => !isBlank(sub) && !hasHidden(sub))
    .refine((sub) => !/^(?:db|key):/i.test(withoutBlankBeginning(sub))),
  role: z.enum(["reader", "member", "admin"]),
  exp: z.number(), // which is finite
});

/** Turns the value of an `Authorization` header into the settings of a transaction. */
export type Authenticate = (authorization: string | undefined) => Promise<PgSettings>;

/**
 * Makes the check of bearers: of a token its signature, times, issuer, audience, subject and role; an
 * API key is asked for in the database. Whatever is wrong, the answer is the same: it teaches nobody
 * how to forge a better one.
 *
 * @param rules which tokens are believed
 * @param onRefused is told why a bearer was refused, for the log; never what it presented
 * @param checkApiKey how API keys are checked; without it none is good
 * @returns a function that throws `UnauthenticatedError` unless the bearer is good, and another
 *   `CrmError`, such as `UnavailableError`, where that cannot be told
 */
export function createAuthenticate(
  rules: TokenRules,
  onRefused: (reason: string) => void = () => undefined,
  checkApiKey: CheckApiKey = noApiKeys,
): Authenticate {
  const verify = createVerifyToken(rules);
  const identify = async (bearer: string): Promise<Identity> => {
    if (bearer.startsWith(apiKeyBeginning)) return checkApiKey(bearer);
    const { sub, role } = claimsSchema.parse(await verify(bearer));
    return { userId: sub, role };
  };

  return async (authorization) => {
    const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    if (bearer === undefined) throw new UnauthenticatedError();
    try {
      const { userId, role } = await identify(bearer);
      return { role: `crm_${role}`, "crm.user_id": userId, "crm.source": "api" };
    } catch (error) {
      if (error instanceof CrmError) throw error;
      onRefused(reasonOf(error));
      throw new UnauthenticatedError();
    }
  };
}

const noApiKeys: CheckApiKey = () => Promise.reject(new Error("there are no API keys here"));

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return `claim ${error.issues[0]?.path.join(".") ?? ""}`;
  return error instanceof Error ? error.message : String(error);
}
