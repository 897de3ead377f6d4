import type pg from "pg";

import { ConflictError, InDoubtError } from "../errors/classes.ts";
import { parseUnrounded } from "../model/exact-json.ts";
import { createWithPgClient } from "../postgres/adaptor.ts";
import { isInDoubt } from "../postgres/away.ts";
import type { Role } from "../postgres/pool.ts";
import { retry } from "../postgres/retry.ts";
import { joinSession, settingsOf } from "../postgres/session.ts";
import { typedError } from "../postgres/typed-error.ts";
import type { Statement } from "./sql.ts";

/**
 * Runs one statement whose rows have one column, `row`, which contains JSON as text.
 *
 * @param statement the statement.
 * @param userId the user that makes a change. Undefined for a query, because the rights to read depend on the
 *   role only.
 * @param client a connection inside a transaction, which the statement then belongs to.
 * @returns the parsed rows.
 * @throws an error of `server/errors/classes.ts`.
 */
export type Execute = <Row>(
  statement: Statement,
  userId: string | undefined,
  client: pg.ClientBase | undefined,
) => Promise<Row[]>;

/**
 * Returns the row of a statement that always returns one.
 *
 * @throws {TypeError} if there is none.
 */
export function onlyRow<Row>([row]: Row[]): Row {
  if (row === undefined) throw new TypeError("The statement returned no row.");
  return row;
}

/**
 * Creates the function with which a repository runs statements.
 *
 * A statement alone is one transaction and one round trip. After a deadlock or a serialization failure it has
 * been rolled back, so it is tried again, up to five times in all. In a caller's transaction, a role that is
 * already set stays, so that a session cannot get more rights than it was given. Otherwise, the role of the
 * repository applies to the rest of the transaction.
 *
 * @param pool connections as `crm_server`.
 * @param role the role of the repository.
 */
export function createExecute(pool: pg.Pool, role: Role): Execute {
  const withPgClient = createWithPgClient(pool);

  async function executeAlone({ text, values }: Statement, userId: string | undefined) {
    const settings = settingsOf({ role, userId: userId ?? "" });
    return retried(() =>
      withPgClient(settings, (client) =>
        client.query<{ row: string }>({ text, values: [...values] }).catch((error: unknown) => {
          throw userId !== undefined && isInDoubt(error) ? new InDoubtError(error) : error;
        }),
      ).catch(rethrow),
    );
  }

  async function executeWithin(
    client: pg.ClientBase,
    { text, values }: Statement,
    userId: string | undefined,
  ) {
    if (client.getTransactionStatus() === "I") {
      throw new TypeError("A client that is passed to a repository must be inside a transaction.");
    }
    try {
      await joinSession(client, role, userId);
      return await client.query<{ row: string }>(text, [...values]);
    } catch (error) {
      return rethrow(error);
    }
  }

  return async <Row>(statement: Statement, userId?: string, client?: pg.ClientBase) => {
    const { rows } = await (client === undefined
      ? executeAlone(statement, userId)
      : executeWithin(client, statement, userId));
    return rows.map(({ row }) => parseUnrounded(row) as Row);
  };
}

/** Runs a transaction, and again if it fails by a deadlock or a serialization failure. */
export async function retried<Result>(transaction: () => Promise<Result>): Promise<Result> {
  return retry(transaction, {
    attempts: 5,
    pause: 20,
    isWorthwhile: (error) =>
      error instanceof ConflictError && (error.current ?? error.changed) === undefined,
  });
}

function rethrow(error: unknown): never {
  throw typedError(error instanceof Error ? error : new Error(String(error)));
}
