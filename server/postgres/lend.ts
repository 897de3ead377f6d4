import { connect as connectSocket } from "node:net";

import type { Pool, ClientBase, PoolClient } from "pg";
import type { PgClient, WithPgClient } from "postgraphile/@dataplan/pg";

import { OverloadedError, TimeoutError, UnavailableError } from "../errors/classes.ts";
import { isUnreachable } from "./away.ts";
import { createGate, type Gate } from "./gate.ts";
import {
  connectionSettings,
  explainLoss,
  isEnded,
  prepare,
  run,
  type Statements,
} from "./statements.ts";

/** The settings of a request. */
export type PgSettings = Parameters<WithPgClient>[0];

/** A connection of the pool that is in use. */
export interface Lent {
  readonly client: PoolClient;
  /** Undefined if nothing is prepared. */
  readonly statements: Statements | undefined;
}

/**
 * Takes a connection of the pool.
 *
 * @throws {OverloadedError} if all connections are in use for too long; {@link UnavailableError} if the
 *   database does not answer.
 */
export async function connect(pool: Pool, prepared: boolean): Promise<Lent> {
  let client: PoolClient | undefined;
  try {
    client = await pool.connect();
    return { client, statements: prepared ? await prepare(client) : undefined };
  } catch (error) {
    client?.release(true);
    // All connections of the pool are in use. The error has no code.
    if (error instanceof Error && error.message.startsWith("timeout exceeded")) {
      throw new OverloadedError("The server is busy; please try again in a moment");
    }
    if (!isUnreachable(error)) throw error;
    throw new UnavailableError("The database does not answer; please try again", error);
  }
}

/**
 * Returns a connection to the pool. It is closed instead if its session has ended, or if a client has left:
 * a cancel request may arrive late.
 */
export function release({ client }: Lent, departure: AbortSignal | undefined): void {
  client.release(departure?.aborted === true || isEnded(client));
}

/** @throws {TimeoutError} if the client has left. */
export function refuseDeparted(departure: AbortSignal | undefined): void {
  if (departure?.aborted) throw new TimeoutError("The client disconnected before the response");
}

/**
 * Cancels the running statement of a connection, over a connection of its own, as the protocol requires.
 * If that fails, the statement's timeout ends it.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export function cancel(client: PoolClient): void {
  const { host, port, processID, secretKey } = client as unknown as Backend;
  const request = Buffer.alloc(16);
  [request.length, 80_877_102, processID, secretKey].forEach((value, i) => {
    request.writeInt32BE(value, 4 * i);
  });
  const socket = host.startsWith("/")
    ? connectSocket(`${host}/.s.PGSQL.${port}`)
    : connectSocket(port, host);
  socket.on("error", () => socket.destroy());
  socket.end(request);
}

/** The parts of `pg` that its types omit. */
interface Backend {
  host: string;
  port: number;
  processID: number;
  secretKey: number;
}

/**
 * Returns a client of PostGraphile, whose statements all run with the same settings.
 *
 * @param turns the order of the statements, in a transaction that has begun.
 */
export function lend({ client, statements }: Lent, pgSettings: PgSettings, turns?: Gate): PgClient {
  const settings = JSON.stringify(
    statements === undefined ? { ...connectionSettings, ...pgSettings } : (pgSettings ?? {}),
  );
  const lent: PgClient = {
    query: (query) => inTurn(turns, () => run(client, statements, settings, query)),
    withTransaction: (callback) =>
      turns === undefined
        ? inTransaction(client, () =>
            callback(lend({ client, statements }, pgSettings, createGate({ places: 1 }))),
          )
        : inSavepoint(client, turns, () => callback(lent)),
  };
  return lent;
}

async function inTurn<Result>(turns: Gate | undefined, work: () => Promise<Result>) {
  return turns === undefined ? work() : turns.run(work);
}

/** Runs a function in a transaction, which is rolled back if the function throws. */
export async function inTransaction<Result>(
  client: ClientBase,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    await client.query("begin");
    const result = await work();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => undefined); // the connection is lost
    throw error instanceof Error ? explainLoss(error) : error;
  }
}

/** Runs a function in a transaction within another one. */
async function inSavepoint<Result>(
  client: PoolClient,
  turns: Gate,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const say = (text: string) => turns.run(() => client.query(text));
  await say("savepoint pgcrm");
  try {
    const result = await work();
    await say("release savepoint pgcrm");
    return result;
  } catch (error) {
    await say("rollback to savepoint pgcrm; release savepoint pgcrm").catch(() => undefined);
    throw error;
  }
}
