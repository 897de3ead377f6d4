/** Exit codes of the command line. */
export const exitCodes = {
  failure: 1,
  usage: 2,
  pending: 3,
  uncommitted: 4,
  findings: 5,
} as const;

/** A failure whose message is one plain sentence for the person at the keyboard; no stack is shown. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly exitCode: number;

  /**
   * @param message one sentence that says what is wrong and what to do.
   * @param exitCode what the process ends with.
   * @param cause the error behind it, for whoever decides whether to try again.
   */
  constructor(message: string, exitCode: number = exitCodes.failure, cause?: unknown) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** What has to be there before anything can be served is not there yet. */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";
}

/**
 * Tells whether an error carries this code: an SQLSTATE or one of the operating system's.
 *
 * @param error whatever was thrown.
 * @param codes the codes to look for, such as `23505` or `ECONNREFUSED`.
 */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  if (typeof error !== "object" || error === null || !("code" in error)) return false;
  return codes.includes(String(error.code));
}
