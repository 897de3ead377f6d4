import { randomUUID } from "node:crypto";
import { GraphQLError } from "graphql";
import type { Logger } from "pino";
import { isSafeError } from "postgraphile/grafast";

import {
  CommittedError,
  CrmError,
  DatabaseError,
  InDoubtError,
  SchemaChangedError,
  TimeoutError,
  ValidationError,
  type ErrorCode,
} from "../../errors/classes.ts";
import { fromPgError } from "../../errors/from-postgres.ts";
import { type Constraints } from "../../errors/messages.ts";
import { currentRequest, logged, withRequestId } from "../../http/requests.ts";

/**
 * Messages for clients, by the message of the error with which a plugin refuses input. These errors have no
 * code.
 */
const refusals: Record<string, string> = {
  "Attempted to update a record, but no new values were specified.":
    "The patch must change at least one field",
};

/** Converts an error to what a client may see. */
export type MaskError = (error: GraphQLError) => GraphQLError;

/** The beginnings of the messages with which Grafast ends an operation. */
const givenUp = ["Operation took too long to plan", "Execution timeout exceeded"];

/** Codes of errors that are returned to the client and logged for the operator. */
const operational = new Set<ErrorCode>([
  "TIMEOUT",
  "OVERLOADED",
  "SCHEMA_CHANGED",
  "UNAVAILABLE",
  "READ_ONLY",
  "IN_DOUBT",
]);

/** The outcome of a mutation whose response failed. */
export type Outcome = "done" | "in doubt";
const outcomes = new WeakMap<GraphQLError, Outcome>();

/** Marks an error as that of a mutation that was committed, or may have been. */
export function markOutcome(error: GraphQLError, outcome: Outcome): GraphQLError {
  outcomes.set(error, outcome);
  return error;
}

/** The errors that a change of custom fields caused. */
const schemaChanges = new WeakSet<Error>();

/** Marks an error of the database as caused by a change of custom fields. */
export function markSchemaChange(error: Error): void {
  schemaChanges.add(error);
}

/**
 * Creates the last step before an error leaves the server. Errors caused by the client are returned with
 * their code. All others are logged, and the client gets the id of the log entry.
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
            `The mutation was committed; only its response failed: ${masked.message}`,
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
      // Errors of Grafast are frozen, but the logger adds properties.
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

/** The request and its user, for the log. */
function request(): Record<string, unknown> {
  const known = currentRequest();
  return known === undefined ? {} : { requestId: known.id, ...logged(known) };
}

/** Returns the code with which an error will be returned. */
export function codeOf(error: GraphQLError): unknown {
  const outcome = outcomes.get(error);
  if (outcome !== undefined) return outcome === "done" ? "COMMITTED" : "IN_DOUBT";
  return error.extensions.code ?? describe(error, {})?.code;
}

function describe(error: GraphQLError, constraints: Constraints): CrmError | undefined {
  const cause = rootCause(error);
  if (cause instanceof CrmError) return cause;
  if (schemaChanges.has(cause)) return new SchemaChangedError(cause);
  if (cause instanceof GraphQLError) return undefined;
  if (givenUp.some((beginning) => cause.message.startsWith(beginning))) {
    return new TimeoutError("This took too long and was ended");
  }
  const refusal = refusals[cause.message] ?? (isSafeError(cause) ? cause.message : undefined);
  if (refusal !== undefined) return new ValidationError(refusal, {});
  return fromPgError(cause, constraints);
}

/** Returns the error in which a chain of errors of GraphQL begins. */
export function rootCause(error: Error): Error {
  const inner = error instanceof GraphQLError ? error.originalError : undefined;
  return inner == null ? error : rootCause(inner);
}
