import { setTimeout as sleep } from "node:timers/promises";

/** The options of {@link retry}. */
export interface RetryOptions {
  /** The maximum number of attempts. */
  readonly attempts: number;
  /** The maximum of the first pause, in milliseconds. It doubles with each further pause. */
  readonly pause: number;
  /** Returns whether another attempt may succeed after this error. */
  readonly isWorthwhile: (error: unknown) => boolean;
}

/**
 * Runs work, and repeats it after temporary errors. Pauses are random, so that two conflicting calls do not
 * conflict again.
 *
 * @param work must have no effect if it fails.
 * @throws the error of the last attempt.
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
