import { createHash } from "node:crypto";

import { z } from "zod";

import { fromPgError } from "../errors/from-postgres.ts";
import { constraints } from "../model/generated/constraints.ts";
import type { createWithPgClient } from "../postgres/adaptor.ts";
import { type Identity, tokenRoles } from "./token.ts";

/** What every API key begins with. No token does: a JWT begins with the base64 of a brace. */
export const apiKeyBeginning = "pgcrm_";

/** What follows are 32 random bytes. */
const form = new RegExp(`^${apiKeyBeginning}[\\w-]{43}$`);

/**
 * Tells who an API key speaks for.
 *
 * @throws {Error} with the reason, for the log, where the key is not good
 * @throws {CrmError} where the database cannot tell
 */
export type CheckApiKey = (key: string) => Promise<Identity>;

const identitySchema = z.object({
  user_id: z.string().startsWith("key:"),
  role: z.enum(tokenRoles).nullable(),
  fault: z.string().nullable(),
});

/**
 * Makes the check of API keys: one statement at each request, so that a revoked key is refused from
 * the next one on. The database is given the hash; the key itself stays in this process.
 *
 * @param withPgClient lends the connections of `crm_server`
 */
export function createCheckApiKey(
  withPgClient: ReturnType<typeof createWithPgClient>,
): CheckApiKey {
  return async (key) => {
    if (!form.test(key)) throw new Error("an API key of another form");
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
    if (row === undefined) throw new Error("an unknown API key");
    const { user_id: userId, role, fault } = identitySchema.parse(row);
    if (role === null) throw new Error(`${userId} ${fault}`);
    return { userId, role };
  };
}
