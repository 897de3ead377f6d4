import pg from "pg";

import { UnavailableError } from "../errors/classes.ts";
import { hasCode, NotReadyError } from "../errors/problem.ts";

/** Codes of the operating system for a connection that could not be opened, or was lost. */
const networkCodes = [
  ...["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "EPIPE"],
  ...["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"],
];

/**
 * Messages of the driver for the same, which have no code. "timeout exceeded" is not among them: a pool
 * reports it if all its connections are in use.
 */
const driverMessages = /^(?:Connection terminated|timeout expired|Client .* is not queryable$)/;

/** SQLSTATEs of a database that is starting, stopping or full, or has lost the connection. */
const passingStates = [
  ...["57P01", "57P02", "57P03", "53300"],
  ...["08000", "08001", "08003", "08004", "08006"],
];

/**
 * Whether there is no connection to the database: none could be opened, or it was lost. PostgreSQL itself
 * has not reported such an error.
 */
export function isUnreachable(error: unknown): boolean {
  if (hasCode(error, ...networkCodes) || isMissingSocket(error)) return true;
  return error instanceof Error && driverMessages.test(error.message);
}

/**
 * Whether an error, or its cause, means that the database is away for now, so that a later attempt may
 * succeed. The error class for clients is another question: see `general` in `errors/messages.ts`.
 */
export function isAway(error: unknown): boolean {
  if (isUnreachable(error) || hasCode(error, ...passingStates)) return true;
  if (!(error instanceof Error)) return false;
  return error instanceof NotReadyError || (error.cause !== undefined && isAway(error.cause));
}

/** Whether an attempt to connect has failed by a timeout, so that it took long. */
export function isTimeout(error: unknown): boolean {
  return (
    hasCode(error, "ETIMEDOUT") || (error instanceof Error && error.message.includes("timeout"))
  );
}

/** Whether the database has ended the session with this error. */
export function hasEnded(error: unknown): boolean {
  return (
    error instanceof pg.DatabaseError && (error.severity === "FATAL" || error.severity === "PANIC")
  );
}

/**
 * Whether it is unknown if a statement was committed: it was sent, and then the connection was lost. A
 * session that was ended from outside may have committed before.
 */
export function isInDoubt(error: unknown): boolean {
  const cause = error instanceof UnavailableError ? error.cause : error;
  if (hasEnded(cause)) return true;
  if (!(cause instanceof Error) || !isUnreachable(cause)) return false;
  // The driver knew that the connection was lost, and sent nothing.
  return !cause.message.includes("not queryable");
}

/** Whether a Unix socket does not exist. Any other missing file has the same code. */
function isMissingSocket(error: unknown): boolean {
  return hasCode(error, "ENOENT") && (error as NodeJS.ErrnoException).syscall === "connect";
}
