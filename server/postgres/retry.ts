import { setTimeout as sleep } from "node:timers/promises";

/** When and how often to try again. */
export interface RetryOptions {
  /** How often in all. */
  readonly attempts: number;
  /** The longest first pause, in milliseconds; each further one may be twice as long. */
  readonly pause: number;
  /** Whether another attempt may end better than one that failed so. */
  readonly isWorthwhile: (error: unknown) => boolean;
}

/**
 * Does something that may fail for a moment. Pauses are random, so that two that got in each
 * other's way do not meet again.
 *
 * @param work what to do; it must leave nothing behind when it fails.
 * @throws what the last attempt threw.
 */
export async function retry<Result>(
  work: () => Promise<Result>,
  { attempts, pause, isWorthwhile }: RetryOptions,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= attempts || !isWorthwhile(error)) throw error;
      await sleep(Math.random() * pause * 2 ** (attempt - 1));
    }
  }
}
