import type { WithPgClient } from "postgraphile/@dataplan/pg";

import { createGate } from "./gate.ts";
import type { Cost } from "./limits/cost.ts";

/** What keeps large operations from standing in the way of small ones. */
export interface Heavy {
  /** An operation that may answer more rows is heavy, and so is one with many scans. */
  readonly rows: number;
  /** How many operations with many scans run at once. */
  readonly operations: number;
  /** How many connections a heavy operation uses at once. */
  readonly connections: number;
}

/** Runs one operation: at once if it is small, else in its turn. */
export type InTurn = <Result>(
  cost: Cost,
  work: () => Result | Promise<Result>,
  departure?: AbortSignal,
) => Promise<Result>;

/** How many rows a scan is as bad as. */
const rowsPerScan = 500;

/** How many operations wait for each that runs. */
const queuePerPlace = 50;

/** Whether an operation has to wait for its turn. */
export function isHeavy({ rows, scans }: Cost, heavy: Heavy): boolean {
  return rows + scans * rowsPerScan > heavy.rows;
}

/**
 * Makes the turns of heavy operations. Large answers come one by one, because Node, which puts them
 * together, does one thing at a time; whole tables are read by a few operations at once, so that the
 * database has time and connections for others. What is neither does not wait.
 *
 * @param patience how long an operation waits for each, in milliseconds.
 */
export function createTurns(heavy: Heavy, patience: number): InTurn {
  const gateOf = (places: number) =>
    createGate({ places, queue: places * queuePerPlace, patience });
  const answers = gateOf(1);
  const scanners = gateOf(heavy.operations);

  return async (cost, work, departure) => {
    if (!isHeavy(cost, heavy)) return work();
    const scan = () => (cost.scans > 1 ? scanners.run(work, departure) : work());
    return cost.rows > heavy.rows ? answers.run(scan, departure) : scan();
  };
}

/** Clients for one heavy operation: the same ones, a few at a time. */
export function withFewClients(withPgClient: WithPgClient, { connections }: Heavy): WithPgClient {
  const gate = createGate({ places: connections });
  return (pgSettings, callback) => gate.run(() => withPgClient(pgSettings, callback));
}
