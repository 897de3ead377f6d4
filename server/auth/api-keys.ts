import { createHash } from "node:crypto";

import { z } from "zod";

import { fromPgError } from "../errors/from-postgres.ts";
import { constraints } from "../model/generated/constraints.ts";
import type { createWithPgClient } from "../postgres/adaptor.ts";
import { type Identity, tokenRoles } from "./token.ts";

/** The prefix of every API key. No token has it: a JWT begins with the base64 of a brace. */
export const apiKeyBeginning = "pgcrm_";

/** The prefix, and 32 random bytes in base64url. */
const form = new RegExp(`^${apiKeyBeginning}[\\w-]{43}$`);

/**
 * Returns the identity of an API key.
 *
 * @throws {Error} with the reason, for the log, if the key is not valid.
 * @throws {CrmError} if the database cannot check it.
 */
export type CheckApiKey = (key: string) => Promise<Identity>;

const identitySchema = z.object({
  user_id: z.string().startsWith("key:"),
  role: z.enum(tokenRoles).nullable(),
  fault: z.string().nullable(),
});

/**
 * Creates the check of API keys: one statement for each request, so that a revoked key is refused from the
 * next request on. The database receives only the hash of the key.
 *
 * @param withPgClient lends connections of `crm_server`.
 */
export function createCheckApiKey(
  withPgClient: ReturnType<typeof createWithPgClient>,
): CheckApiKey {
  return async (key) => {
    if (!form.test(key)) throw new Error("malformed API key");
    const keyHash = createHash("sha256").update(key).digest();
    const row = await withPgClient(null, (client) =>
      client.query<z.input<typeof identitySchema>>({
        text: "select user_id, role, fault from crm_private.authenticate_api_key($1)",
        values: [keyHash],
      }),
    ).then(
      ({ rows }) => rows[0],
      (error: unknown) => {
        throw error instanceof Error ? fromPgError(error, constraints) : error;
      },
    );
    if (row === undefined) throw new Error("unknown API key");
    const { user_id: userId, role, fault } = identitySchema.parse(row);
    if (role === null) throw new Error(`${userId} ${fault}`);
    return { userId, role };
  };
}
