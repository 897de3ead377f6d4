import type pg from "pg";

import { parseUnrounded } from "../model/exact-json.ts";
import {
  claimKey,
  keepResponse,
  keyedRequest,
  type QueryAsServer,
} from "../postgres/idempotency.ts";
import { inTransaction, parseUserId, type Session } from "../postgres/pool.ts";
import { setSession } from "../postgres/session.ts";
import { parseText } from "./id.ts";

/** A request that may be repeated, and has an effect once. */
export interface OnceOptions extends Session {
  /** A unique string that the caller chooses, such as a random UUID, of at most 255 characters. */
  readonly key: string;
  /** The input of the work, as JSON. A key with another input is refused. */
  readonly request: unknown;
}

/**
 * Runs a function in one transaction, as `inTransaction`, once for each key of a user. For 24 hours, a call
 * that repeats the key changes nothing and returns the first result. The result is stored in the transaction
 * of the changes, so either both exist or neither does, whatever fails.
 *
 * The keys are those of the API, in the same table.
 *
 * @param work returns JSON. It must not use the client after it has returned.
 * @throws {ValidationError} if the key is not valid, or was used for another request; {@link ConflictError} if
 *   the first call still runs; {@link PayloadTooLargeError} if the result has more than 20,000,000 bytes; and
 *   the errors of `inTransaction`.
 */
export async function runOnce<Result>(
  pool: pg.Pool,
  { key, request, ...session }: OnceOptions,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const userId = parseUserId(session.userId);
  const given = parseText(key, "idempotencyKey");
  const keyed = keyedRequest(userId, given, [session.role, request]);
  return inTransaction(pool, session, async (client) => {
    // Keys belong to the server, which the login role is.
    const asServer: QueryAsServer = async <Row extends object>(
      text: string,
      values: readonly unknown[],
    ) => {
      await client.query("set local role none");
      const { rows } = await client.query<Row>(text, [...values]);
      await setSession(client, { ...session, userId });
      return rows;
    };
    const known = await claimKey(asServer, keyed);
    if (known !== undefined) return parseUnrounded(known) as Result;
    const result = await work(client);
    await keepResponse(asServer, keyed, JSON.stringify(result ?? null), false);
    return result;
  });
}
