import { randomUUID } from "node:crypto";
import { GraphQLError } from "graphql";
import type { Logger } from "pino";
import { isSafeError } from "postgraphile/grafast";

import {
  CrmError,
  DatabaseError,
  fromPgError,
  ValidationError,
  type Constraints,
  type ErrorCode,
} from "../errors.ts";

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

/** What clients are told plainly and whoever runs the server should hear of, too. */
const operational = new Set<ErrorCode>(["TIMEOUT", "OVERLOADED", "UNAVAILABLE", "READ_ONLY"]);

/**
 * Makes the last step before an error leaves the server. A client sees what it caused, with its
 * code; anything else goes whole to the log, and the client gets the id under which it is there.
 */
export function createMaskError(constraints: Constraints, logger: Logger) {
  return function maskError(error: GraphQLError): GraphQLError {
    const { nodes, source, positions, path } = error;
    const answer = (message: string, extensions: Record<string, unknown>) =>
      new GraphQLError(message, { nodes, source, positions, path, extensions });

    if (typeof error.extensions.code === "string") return error;
    const known = describe(error, constraints);
    if (known !== undefined && !(known instanceof DatabaseError)) {
      if (operational.has(known.code)) {
        logger.warn({ err: rootCause(error), code: known.code, path }, "an operation was not done");
      }
      return answer(known.message, known.extensions);
    }
    if (known === undefined && error.originalError === undefined && path === undefined) {
      return answer(error.message, { code: "BAD_REQUEST" });
    }
    const errorId = randomUUID();
    logger.error({ errorId, err: rootCause(error), path }, "an operation failed unexpectedly");
    return answer(`Something went wrong here; it is logged as ${errorId}`, {
      code: "INTERNAL",
      errorId,
    });
  };
}

function describe(error: GraphQLError, constraints: Constraints): CrmError | undefined {
  const cause = rootCause(error);
  if (cause instanceof CrmError) return cause;
  if (cause instanceof GraphQLError) return undefined;
  const refusal = refusals[cause.message] ?? (isSafeError(cause) ? cause.message : undefined);
  if (refusal !== undefined) return new ValidationError(refusal, {});
  return fromPgError(cause, constraints);
}

function rootCause(error: Error): Error {
  const inner = error instanceof GraphQLError ? error.originalError : undefined;
  return inner == null ? error : rootCause(inner);
}
