import { randomUUID } from "node:crypto";
import { GraphQLError } from "graphql";
import type { Logger } from "pino";
import { isSafeError } from "postgraphile/grafast";

import {
  CommittedError,
  CrmError,
  DatabaseError,
  InDoubtError,
  TimeoutError,
  ValidationError,
  type ErrorCode,
} from "../../errors/classes.ts";
import { fromPgError } from "../../errors/from-postgres.ts";
import { type Constraints } from "../../errors/messages.ts";
import { currentRequest, logged, withRequestId } from "../../http/requests.ts";

/**
 * What clients are told where a plugin refuses their input with an error like any other, known by
 * its message only.
 */
const refusals: Record<string, string> = {
  "Null literals are forbidden in filter argument input.":
    "A filter must not hold null; use isNull, or leave the field out",
  "Attempted to update a record, but no new values were specified.":
    "The patch must change at least one field",
};

/** Makes of an error what a client may see. */
export type MaskError = (error: GraphQLError) => GraphQLError;
/** How Grafast begins to tell that an operation was given up. */
const givenUp = ["Operation took too long to plan", "Execution timeout exceeded"];

/** What clients are told plainly and whoever runs the server should hear of, too. */
const operational = new Set<ErrorCode>([
  "TIMEOUT",
  "OVERLOADED",
  "UNAVAILABLE",
  "READ_ONLY",
  "IN_DOUBT",
]);

/** What became of a mutation whose answer failed. */
export type Outcome = "done" | "in doubt";
const outcomes = new WeakMap<GraphQLError, Outcome>();

/** Lets an error be told as one of a mutation that was done, or may have been. */
export function markOutcome(error: GraphQLError, outcome: Outcome): GraphQLError {
  outcomes.set(error, outcome);
  return error;
}

/**
 * Makes the last step before an error leaves the server. A client sees what it caused, with its
 * code; anything else goes whole to the log, and the client gets the id under which it is there.
 */
export function createMaskError(constraints: Constraints, logger: Logger): MaskError {
  return (error) => withRequestId(maskOutcome(error));

  function maskOutcome(error: GraphQLError): GraphQLError {
    const outcome = outcomes.get(error);
    const masked = maskError(error);
    if (outcome === undefined) return masked;
    const { nodes, source, positions, path } = masked;
    const { code, errorId } = masked.extensions;
    const told =
      outcome === "done"
        ? new CommittedError(
            `The mutation was done; only its answer failed: ${masked.message}`,
            code,
          )
        : new InDoubtError();
    return new GraphQLError(told.message, {
      ...{ nodes, source, positions, path },
      extensions: { ...told.extensions, ...(errorId === undefined ? {} : { errorId }) },
    });
  }

  function maskError(error: GraphQLError): GraphQLError {
    const { nodes, source, positions, path } = error;
    const answer = (message: string, extensions: Record<string, unknown>) =>
      new GraphQLError(message, { nodes, source, positions, path, extensions });

    const known = describe(error, constraints);
    if (known !== undefined && operational.has(known.code)) {
      const root = rootCause(error);
      const cause = root.cause instanceof Error ? root.cause : root;
      // Grafast's own cannot be extended, which the log does to what it writes.
      const err = Object.isExtensible(cause) ? cause : new Error(cause.message);
      logger.warn({ ...request(), err, code: known.code, path }, "an operation was not done");
    }
    if (typeof error.extensions.code === "string") return error;
    if (known !== undefined && !(known instanceof DatabaseError)) {
      return answer(known.message, known.extensions);
    }
    if (known === undefined && error.originalError === undefined && path === undefined) {
      return answer(error.message, { code: "BAD_REQUEST" });
    }
    const errorId = randomUUID();
    logger.error(
      { ...request(), errorId, err: rootCause(error), path },
      "an operation failed unexpectedly",
    );
    return answer(`Something went wrong here; it is logged as ${errorId}`, {
      code: "INTERNAL",
      errorId,
    });
  }
}

/** Of which request, by whom. */
function request(): Record<string, unknown> {
  const known = currentRequest();
  return known === undefined ? {} : { requestId: known.id, ...logged(known) };
}

/** The code that an error will be answered with. */
export function codeOf(error: GraphQLError): unknown {
  const outcome = outcomes.get(error);
  if (outcome !== undefined) return outcome === "done" ? "COMMITTED" : "IN_DOUBT";
  return error.extensions.code ?? describe(error, {})?.code;
}

function describe(error: GraphQLError, constraints: Constraints): CrmError | undefined {
  const cause = rootCause(error);
  if (cause instanceof CrmError) return cause;
  if (cause instanceof GraphQLError) return undefined;
  if (givenUp.some((beginning) => cause.message.startsWith(beginning))) {
    return new TimeoutError("This took too long and was ended");
  }
  const refusal = refusals[cause.message] ?? (isSafeError(cause) ? cause.message : undefined);
  if (refusal !== undefined) return new ValidationError(refusal, {});
  return fromPgError(cause, constraints);
}

function rootCause(error: Error): Error {
  const inner = error instanceof GraphQLError ? error.originalError : undefined;
  return inner == null ? error : rootCause(inner);
}
