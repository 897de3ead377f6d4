import { setTimeout as sleep } from "node:timers/promises";

import { isAway } from "./away.ts";

/** The first and the longest pause between two attempts, in milliseconds. */
const pauses = { first: 100, longest: 1000 } as const;

/**
 * Runs a function that needs the database, and repeats it with growing pauses while the database is away.
 *
 * @param work must leave nothing behind when it fails.
 * @param onWaiting is called with each error that is waited for.
 * @param signal ends the waiting.
 * @throws errors that waiting does not cure, such as a refused login; and the signal's reason.
 */
export async function untilAvailable<Result>(
  work: () => Promise<Result>,
  onWaiting: (error: unknown) => void,
  signal: AbortSignal,
): Promise<Result> {
  for (let pause: number = pauses.first; ; pause = Math.min(pause * 2, pauses.longest)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!isAway(error)) throw error;
      onWaiting(error);
    }
    await sleep(pause, undefined, { signal });
  }
}
