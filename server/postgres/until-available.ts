import { setTimeout as sleep } from "node:timers/promises";

import { hasCode, NotReadyError } from "../errors/problem.ts";

/** The first and the longest pause between two attempts, in milliseconds. */
const pauses = { first: 100, longest: 1000 } as const;

/** What a database says that is away, starting, stopping or full: waiting may help. */
const away = [
  ...["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ENOENT", "EPIPE"],
  ...["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"],
  ...["57P01", "57P02", "57P03", "53300", "08000", "08001", "08003", "08004", "08006"],
];

/**
 * Does something that needs the database, again and again with growing pauses while the database is
 * away.
 *
 * @param work must leave nothing behind when it fails.
 * @param onWaiting is told of each failure that is waited for.
 * @param signal ends the waiting.
 * @throws what waiting does not cure, such as a refused login; and the signal's reason.
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

/** Whether an error, or what caused it, says that the database cannot be reached for now. */
export function isAway(error: unknown): boolean {
  if (hasCode(error, ...away)) return true;
  if (!(error instanceof Error)) return false;
  if (error instanceof NotReadyError) return true;
  // The driver gives these no code.
  if (/^(?:Connection terminated|timeout exp|Client .* is not queryable$)/.test(error.message))
    return true;
  return error.cause !== undefined && isAway(error.cause);
}
