import { z } from "zod";

import { apiKeyBeginning, type CheckApiKey } from "./api-keys.ts";
import { CrmError, UnauthenticatedError } from "../errors/classes.ts";
import { hasHidden, isBlank, withoutBlankBeginning } from "../model/rules.ts";
import { settingsOf } from "../postgres/session.ts";
import { Recent } from "../recent.ts";
import type { Identity } from "./token.ts";
import { createTokenCheck, type TokenRules } from "./token-keys.ts";

/** The settings of a request's transaction: the role, the user, and the source of changes. */
export interface PgSettings extends Record<string, string> {
  role: string;
  "crm.user_id": string;
  "crm.source": string;
}

const claimsSchema = z.object({
  // Printable and visible: it becomes a setting of the database and a name in the audit log. There, db:<role>
  // is a direct login to the database, and key:<name> an API key. A subject must not look like these, not
  // even in capitals or after invisible characters.
  sub: z
    .string()
    .max(255)
    .regex(/^(?!\s*(?:db|key):)(?=.*[^\s\p{Cf}\p{M}])[^\p{Cc}\p{Cs}]+$/isu)
    .refine((sub) => !isBlank(sub) && !hasHidden(sub))
    .refine((sub) => !/^(?:db|key):/i.test(withoutBlankBeginning(sub))),
  role: z.enum(["reader", "member", "admin"]),
  exp: z.number(), // z.number() accepts finite numbers only
});

/** Turns the value of an `Authorization` header into the settings of a transaction. */
export type Authenticate = (authorization: string | undefined) => Promise<PgSettings>;

/**
 * Creates the authentication of requests. Of a token, it checks the signature, times, issuer, audience,
 * subject and role. An API key is looked up in the database. The error is always the same, so that it gives
 * no help in forging a token.
 *
 * @param rules which tokens are accepted.
 * @param onRefused receives the reason of a refusal, for the log, but never the token or key.
 * @param checkApiKey the check of API keys; without it, all are refused.
 * @returns a function that throws `UnauthenticatedError` if the token or key is not valid, and another
 *   `CrmError`, such as `UnavailableError`, if it cannot be checked.
 */
export function createAuthenticate(
  rules: TokenRules,
  onRefused: (reason: string) => void = () => undefined,
  checkApiKey: CheckApiKey = noApiKeys,
): Authenticate {
  const checkToken = createCheckToken(rules);
  const identify = async (bearer: string): Promise<Identity> =>
    bearer.startsWith(apiKeyBeginning) ? checkApiKey(bearer) : checkToken(bearer);

  return async (authorization) => {
    const bearer = bearerOf(authorization, onRefused);
    if (bearer === undefined) throw new UnauthenticatedError();
    try {
      const { userId, role } = await identify(bearer);
      return settingsOf({ role: `crm_${role}`, userId });
    } catch (error) {
      if (error instanceof CrmError) throw error;
      onRefused(reasonOf(error));
      throw new UnauthenticatedError();
    }
  };
}

/** How long the identity of a token is remembered, in milliseconds, and how many are. */
const remembered = { time: 30_000, tokens: 1000 };

/**
 * Creates the check of tokens. Verifying a signature takes longer than a small query, and a client sends the
 * same token with each request: the identity is remembered for a while, but not after the token has expired,
 * and not after the set of keys has changed.
 */
function createCheckToken(rules: TokenRules): (token: string) => Promise<Identity> {
  const { verify, keySet } = createTokenCheck(rules);
  const known = new Recent<string, { readonly identity: Identity; readonly until: number }>(
    remembered.tokens,
  );
  let keysOfKnown: unknown;
  return async (token) => {
    const keys = keySet();
    if (keys !== keysOfKnown) known.clear();
    keysOfKnown = keys;
    const found = known.get(token);
    if (found !== undefined && Date.now() < found.until) return found.identity;

    const { sub: userId, role, exp } = claimsSchema.parse(await verify(token));
    const identity = { userId, role };
    const until = Math.min(Date.now() + remembered.time, exp * 1000);
    if (keys !== undefined && keySet() === keys) known.set(token, { identity, until });
    return identity;
  };
}

/**
 * Returns the token of a header. Browsers join headers of the same name by commas, as if a page sends both
 * `authorization` and `Authorization`: the same token twice is one, but of two tokens none is chosen.
 */
function bearerOf(
  authorization: string | undefined,
  onRefused: (reason: string) => void,
): string | undefined {
  if (authorization === undefined) return undefined;
  const [first, ...others] = new Set(
    authorization.split(",").map((value) => /^Bearer +(\S+)$/i.exec(value.trim())?.[1]),
  );
  if (others.length === 0) return first;
  onRefused("several values of Authorization");
  return undefined;
}

const noApiKeys: CheckApiKey = () => Promise.reject(new Error("API keys are not accepted"));

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return `claim ${error.issues[0]?.path.join(".") ?? ""}`;
  return error instanceof Error ? error.message : String(error);
}
