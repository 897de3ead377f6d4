/** Exit codes of the command line. */
export const exitCodes = {
  failure: 1,
  usage: 2,
  pending: 3,
  uncommitted: 4,
  findings: 5,
} as const;

/** A failure with a plain message for the user of the command line. Its stack is not shown. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly exitCode: number;

  /**
   * @param message the fault and its remedy, in one sentence.
   * @param exitCode the exit code of the process.
   * @param cause the original error, by which callers decide whether to retry.
   */
  constructor(message: string, exitCode: number = exitCodes.failure, cause?: unknown) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** The server cannot serve yet, because a prerequisite is missing. */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";
}

/**
 * Returns whether an error has one of these codes: SQLSTATEs or codes of the operating system.
 *
 * @param error any thrown value.
 * @param codes the codes to look for, such as `23505` or `ECONNREFUSED`.
 */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  if (typeof error !== "object" || error === null || !("code" in error)) return false;
  return codes.includes(String(error.code));
}
