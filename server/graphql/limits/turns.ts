import type { WithPgClient } from "postgraphile/@dataplan/pg";

import { createGate, type Gate } from "../../postgres/gate.ts";
import type { Cost } from "./cost.ts";

/** Limits that keep large operations from blocking small ones. */
export interface TurnLimits {
  /** An operation that may return more rows is heavy, and so is one with many scans. */
  readonly rows: number;
  /** The number of operations with many scans that run at once. */
  readonly operations: number;
  /** The number of connections that a heavy operation uses at once. */
  readonly connections: number;
  /** The number of mutations that write many rows and run at once. */
  readonly writes: number;
  /** The number of connections that all operations except small ones use at once. */
  readonly large: number;
}

/** How long operations wait for their turn, in milliseconds. */
export interface Patience {
  /** For reads. */
  readonly pool: number;
  /** For writes of many rows. */
  readonly writeTurn: number;
}

/** One operation with its cost. */
export interface Operation {
  readonly cost: Cost;
  /** A mutation uses one connection from its beginning to its end. */
  readonly isMutation: boolean;
  readonly departure: AbortSignal | undefined;
}

/** Runs operations: small ones at once, others in turn. */
export interface Turns {
  /** Runs one operation. */
  run<Result>(operation: Operation, work: () => Result | Promise<Result>): Promise<Result>;
  /** Limits the clients that one operation uses at once. */
  clientsFor(operation: Operation, withPgClient: WithPgClient): WithPgClient;
}

/** The number of rows that cost as much as a scan. */
const rowsPerScan = 500;

/** An operation with a list of default size is small; one that counts or filters it is not. */
const smallShare = 4;

/** The number of responses, neither small nor heavy, that are assembled at once. */
const pagesAtOnce = 2;

/** The pause for other work of Node after a large response, in milliseconds. */
const breath = 5;

/** Mutations that write more rows than this take turns. */
const fewWrites = 100;

/** The number of operations that may wait for each running one. */
const queuePerPlace = 50;

/** As {@link queuePerPlace}, for operations that keep many rows in memory while they wait. */
const writersPerPlace = 10;

/** Returns whether an operation is heavy. */
export function isExpensive({ rows, scans }: Cost, heavy: TurnLimits): boolean {
  return rows + scans * rowsPerScan > heavy.rows;
}

function isSmall({ rows, scans, writes }: Cost, heavy: TurnLimits): boolean {
  return scans < 1 && writes <= fewWrites && rows + scans * rowsPerScan <= heavy.rows / smallShare;
}

/**
 * Creates the turns. Large responses are assembled one at a time, and medium ones two at a time, because
 * Node has one thread. Only a few operations read whole tables or write many rows at once, which leaves
 * time and connections of the database to others. All operations that are not small leave some
 * connections free.
 */
export function createTurns(heavy: TurnLimits, patience: Patience): Turns {
  const gateOf = (places: number, rest?: number) =>
    createGate({
      places,
      queue: places * queuePerPlace,
      patience: patience.pool,
      ...(rest && { rest }),
    });
  const answers = gateOf(1, breath);
  const pages = gateOf(pagesAtOnce, breath);
  const scanners = gateOf(heavy.operations);
  const large = gateOf(heavy.large);
  const writers = createGate({
    places: heavy.writes,
    queue: heavy.writes * writersPerPlace,
    patience: patience.writeTurn,
  });

  return {
    async run({ cost, isMutation, departure }, work) {
      if (isSmall(cost, heavy)) return work();
      const gates: Gate[] = [];
      if (cost.writes > fewWrites) gates.push(writers);
      const isWrite = gates.length > 0;
      if (cost.rows > heavy.rows && !isWrite) gates.push(answers);
      else if (cost.rows > heavy.rows / smallShare && !isWrite) gates.push(pages);
      if (isExpensive(cost, heavy) && cost.scans > 1) gates.push(scanners);
      if (isMutation) gates.push(large);
      return pass(gates, work, departure);
    },

    clientsFor({ cost, isMutation, departure }, withPgClient) {
      if (isMutation || isSmall(cost, heavy)) return withPgClient;
      const shared: WithPgClient = (pgSettings, callback) =>
        large.run(() => withPgClient(pgSettings, callback), departure);
      return isExpensive(cost, heavy) ? withFewClients(shared, heavy) : shared;
    },
  };
}

/** Passes one gate after the other, always in this order. */
async function pass<Result>(
  [gate, ...others]: readonly Gate[],
  work: () => Result | Promise<Result>,
  departure: AbortSignal | undefined,
): Promise<Result> {
  return gate === undefined ? work() : gate.run(() => pass(others, work, departure), departure);
}

/** Limits the clients of one heavy operation to a few at a time. */
function withFewClients(withPgClient: WithPgClient, { connections }: TurnLimits): WithPgClient {
  const gate = createGate({ places: connections });
  return (pgSettings, callback) => gate.run(() => withPgClient(pgSettings, callback));
}
