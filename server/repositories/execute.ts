import type pg from "pg";

import { ConflictError, InDoubtError } from "../errors/classes.ts";
import { parseUnrounded } from "../model/exact-json.ts";
import { createWithPgClient, isInDoubt } from "../postgres/adaptor.ts";
import type { Role } from "../postgres/pool.ts";
import { retry } from "../postgres/retry.ts";
import { typedError } from "../postgres/typed-error.ts";
import type { Statement } from "./sql.ts";

/**
 * Runs one statement whose rows have one column, `row`, that holds JSON as text.
 *
 * @param statement the statement.
 * @param userId who changes something; undefined for a question, which is asked in the name of the
 *   caller's transaction or, alone, of the server: what a role may read does not depend on the
 *   user.
 * @param client a connection inside a transaction, to take part in it.
 * @throws an error of `server/errors/classes.ts`.
 */
export type Execute = <Row>(
  statement: Statement,
  userId: string | undefined,
  client: pg.ClientBase | undefined,
) => Promise<Row[]>;

/**
 * The row of a statement that cannot have none.
 *
 * @throws {TypeError} if it has none after all.
 */
export function onlyRow<Row>([row]: Row[]): Row {
  if (row === undefined) throw new TypeError("The statement gave no row.");
  return row;
}

/**
 * Makes the way from a repository to the database.
 *
 * A statement by itself is a transaction and one round trip. A deadlock or a failed serialization
 * undoes it whole, so it is tried again, five times in all. Inside a caller's transaction a role
 * that is set already stays, so that a session cannot get more rights than it was given; without
 * one, the rest of the transaction has the repository's.
 */
export function createExecute(pool: pg.Pool, role: Role): Execute {
  const withPgClient = createWithPgClient(pool);

  async function executeAlone({ text, values }: Statement, userId: string | undefined) {
    const settings = { role, "crm.user_id": userId ?? "", "crm.source": "api" };
    return retry(
      () =>
        withPgClient(settings, (client) =>
          client.query<{ row: string }>({ text, values: [...values] }).catch((error: unknown) => {
            throw userId !== undefined && isInDoubt(error) ? new InDoubtError(error) : error;
          }),
        ).catch(rethrow),
      {
        attempts: 5,
        pause: 20,
        isWorthwhile: (error) =>
          error instanceof ConflictError && (error.current ?? error.changed) === undefined,
      },
    );
  }

  async function executeWithin(
    client: pg.ClientBase,
    { text, values }: Statement,
    userId: string | undefined,
  ) {
    if (client.getTransactionStatus() === "I") {
      throw new TypeError("A client given to a repository must be inside a transaction.");
    }
    try {
      await client.query(joinTransaction, [role, userId]);
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

const joinTransaction = `
  select set_config('role', coalesce(nullif(current_setting('role'), 'none'), $1), true),
         set_config('crm.user_id', coalesce($2, current_setting('crm.user_id', true), ''), true),
         set_config(
           'crm.source', coalesce(nullif(current_setting('crm.source', true), ''), 'api'), true
         )`;

function rethrow(error: unknown): never {
  throw typedError(error instanceof Error ? error : new Error(String(error)));
}
