import type { WithPgClient } from "postgraphile/@dataplan/pg";

import { createGate, type Gate } from "../../postgres/gate.ts";
import type { Cost } from "./cost.ts";

/** What keeps large operations from standing in the way of small ones. */
export interface TurnLimits {
  /** An operation that may answer more rows is heavy, and so is one with many scans. */
  readonly rows: number;
  /** How many operations with many scans run at once. */
  readonly operations: number;
  /** How many connections a heavy operation uses at once. */
  readonly connections: number;
  /** How many mutations that write many rows run at once. */
  readonly writes: number;
  /** How many connections all operations use at once that are not small. */
  readonly large: number;
}

/** How long operations wait for their turn, in milliseconds. */
export interface Patience {
  /** What reads. */
  readonly pool: number;
  /** What writes many rows. */
  readonly write: number;
}

/** One operation, and what is known of it. */
export interface Operation {
  readonly cost: Cost;
  /** Whether it changes something, and so uses one connection from its beginning to its end. */
  readonly isMutation: boolean;
  readonly departure: AbortSignal | undefined;
}

/** What lets operations run: at once if they are small, else in their turn. */
export interface Turns {
  /** Runs one operation. */
  run<Result>(operation: Operation, work: () => Result | Promise<Result>): Promise<Result>;
  /** The clients that one operation may have. */
  clientsFor(operation: Operation, withPgClient: WithPgClient): WithPgClient;
}

/** How many rows a scan is as bad as. */
const rowsPerScan = 500;

/** An operation with a list of the usual size is small; one that counts or filters it is not. */
const smallShare = 4;

/** How many answers that are neither small nor heavy are put together at once. */
const pagesAtOnce = 2;

/** How long Node does other things after a large answer, in milliseconds. */
const breath = 5;

/** Mutations that write more rows at once take turns. */
const fewWrites = 100;

/** How many operations wait for each that runs. */
const queuePerPlace = 50;

/** As {@link queuePerPlace}, for operations that hold many rows in memory meanwhile. */
const writersPerPlace = 10;

/** Whether an operation has to wait for its turn. */
export function isExpensive({ rows, scans }: Cost, heavy: TurnLimits): boolean {
  return rows + scans * rowsPerScan > heavy.rows;
}

function isSmall({ rows, scans, writes }: Cost, heavy: TurnLimits): boolean {
  return scans < 1 && writes <= fewWrites && rows + scans * rowsPerScan <= heavy.rows / smallShare;
}

/**
 * Makes the turns. Large answers come one by one, and those that are not small two by two, because
 * Node, which puts them together, does one thing at a time; whole tables are read by a few operations at once, and many rows written by a few,
 * so that the database has time and connections for others. All that is not small together leaves
 * some connections free.
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
    patience: patience.write,
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

/** Goes through one gate after the other, always in this order. */
async function pass<Result>(
  [gate, ...others]: readonly Gate[],
  work: () => Result | Promise<Result>,
  departure: AbortSignal | undefined,
): Promise<Result> {
  return gate === undefined ? work() : gate.run(() => pass(others, work, departure), departure);
}

/** Clients for one heavy operation: the same ones, a few at a time. */
function withFewClients(withPgClient: WithPgClient, { connections }: TurnLimits): WithPgClient {
  const gate = createGate({ places: connections });
  return (pgSettings, callback) => gate.run(() => withPgClient(pgSettings, callback));
}
