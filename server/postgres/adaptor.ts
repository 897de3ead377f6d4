import type { Pool, PoolClient } from "pg";
import type { PgClient, PgClientQuery, WithPgClient } from "postgraphile/@dataplan/pg";

import { InDoubtError } from "../errors/classes.ts";
import { isInDoubt } from "./away.ts";
import { createGate, type Gate } from "./gate.ts";
import {
  cancel,
  connect,
  inTransaction,
  lend,
  type Lent,
  type PgSettings,
  refuseDeparted,
  release,
} from "./lend.ts";

/** The service that connects PostGraphile to PostgreSQL. See `statements.ts` for how it runs statements. */
export type PgService = GraphileConfig.PgServiceConfiguration<"pgcrm">;

export interface PgServiceOptions {
  pool: Pool;
  schemas: string[];
  /**
   * Whether each connection prepares its statements; true if not given. A pooler in transaction mode may
   * not keep them.
   */
  prepared?: boolean | undefined;
}

/** Creates the service of a PostGraphile preset. The caller ends the pool. */
export function createPgService({ pool, schemas, prepared }: PgServiceOptions): PgService {
  return {
    name: "main",
    schemas,
    withPgClientKey: "withPgClient",
    pgSettingsKey: "pgSettings",
    pgSubscriber: null,
    adaptor: {
      createWithPgClient: () => createWithPgClient(pool, prepared),
      makePgService: createPgService,
    },
    adaptorSettings: { pool, prepared },
  };
}

/** Runs a function with a client of the pool, until the signal aborts it. */
type Lend = <Result>(
  pgSettings: PgSettings,
  callback: (client: PgClient) => Result | Promise<Result>,
  departure?: AbortSignal,
) => Promise<Result>;

/**
 * Runs a function in one transaction. All clients that the function is given belong to it. It is rolled back
 * if the function throws, or if the client leaves.
 */
export type Transact = <Result>(
  work: (withPgClient: WithPgClient) => Promise<Result>,
  departure?: AbortSignal,
) => Promise<Result>;

/**
 * Lends clients of a pool. Every statement of a client runs with the settings that it was lent with.
 *
 * If the client of the server leaves, the running statement is cancelled in the database, and no other
 * begins. The connection is closed, because a late cancel request must not hit another statement.
 */
export function createWithPgClient(pool: Pool, prepared = true): Lend {
  return (pgSettings, callback, departure) =>
    borrow(pool, prepared, departure, async (lent) => callback(lend(lent, pgSettings)));
}

/** Runs transactions over a pool. {@link createWithPgClient} describes what happens if a client leaves. */
export function createTransact(pool: Pool, prepared = true): Transact {
  return (work, departure) =>
    borrow(pool, prepared, departure, (lent) =>
      inTransaction(lent.client, async () => {
        const turns = createGate({ places: 1 });
        return work(async (pgSettings, callback) => {
          refuseDeparted(departure);
          return callback(lend(lent, pgSettings, turns));
        });
      }),
    );
}

/** The changes that were made over one connection. */
export interface Changes {
  /** The number of statements that have changed rows and are committed. */
  readonly done: number;
  /** The errors of statements that should have changed rows. */
  readonly failures: ReadonlySet<unknown>;
}

/**
 * Runs a function with one connection, which is taken when it is first needed. Each statement is its own
 * transaction, one after the other. A mutation that has changed rows can thus read them without waiting for
 * another connection.
 */
export type Reserve = <Result>(
  work: (withPgClient: WithPgClient, changes: Changes) => Promise<Result>,
  departure?: AbortSignal,
) => Promise<Result>;

/** Reserves connections of a pool. {@link createWithPgClient} describes what happens if a client leaves. */
export function createReserve(pool: Pool, prepared = true): Reserve {
  return async (work, departure) => {
    const turns = createGate({ places: 1 });
    const tally: Tally = { done: 0, failures: new Set() };
    let lent: Promise<Lent> | undefined;
    let client: PoolClient | undefined;
    const leave = () => client && cancel(client);
    departure?.addEventListener("abort", leave);
    try {
      return await work(async (pgSettings, callback) => {
        refuseDeparted(departure);
        const mine = await (lent ??= connect(pool, prepared));
        ({ client } = mine);
        refuseDeparted(departure);
        return callback(lendInTurn(mine, pgSettings, turns, tally));
      }, tally);
    } finally {
      departure?.removeEventListener("abort", leave);
      await lent?.then(
        async (mine) => turns.run(() => release(mine, departure)),
        () => undefined, // the statement that needed it has failed
      );
    }
  };
}

interface Tally {
  done: number;
  failures: Set<unknown>;
}

/** Returns a client whose statements and transactions run one after the other, and are counted. */
function lendInTurn(lent: Lent, pgSettings: PgSettings, turns: Gate, tally: Tally): PgClient {
  const client = lend(lent, pgSettings);
  const change = async <Result>(work: () => Promise<Result>, isDone: (result: Result) => boolean) =>
    turns.run(async () => {
      try {
        const result = await work();
        if (isDone(result)) tally.done += 1;
        return result;
      } catch (error) {
        const failure = isInDoubt(error) ? new InDoubtError(error) : error;
        tally.failures.add(failure);
        throw failure;
      }
    });
  return {
    async query<Row>(query: PgClientQuery) {
      // Reads have a name, which identifies their text. Mutations have none.
      if (query.name !== undefined) return turns.run(() => client.query<Row>(query));
      return change(
        () => client.query<Row>(query),
        ({ rowCount, rows }) => (rowCount ?? rows.length) > 0,
      );
    },
    withTransaction: async (callback) =>
      change(
        () => client.withTransaction(callback),
        () => true,
      ),
  };
}

/** Runs a function with a connection of the pool; its statement is cancelled if the client leaves. */
async function borrow<Result>(
  pool: Pool,
  prepared: boolean,
  departure: AbortSignal | undefined,
  work: (lent: Lent) => Promise<Result>,
): Promise<Result> {
  const lent = await connect(pool, prepared);
  const leave = () => cancel(lent.client);
  departure?.addEventListener("abort", leave);
  try {
    refuseDeparted(departure);
    return await work(lent);
  } finally {
    departure?.removeEventListener("abort", leave);
    release(lent, departure);
  }
}
