import { randomUUID } from "node:crypto";
import { GraphQLError } from "graphql";
import type { Logger } from "pino";
import { isSafeError } from "postgraphile/grafast";
import { CrmError, DatabaseError, fromPgError, ValidationError, type Constraints } from "../errors.ts";

/** Messages of plugins about a client's input that carry no mark of being safe to show. */
const plainMessages = new Set([
  "Null literals are forbidden in filter argument input.",
  "Empty objects are forbidden in filter argument input.",
]);

/**
 * Makes the last step before an error leaves the server. A client sees what it caused, with its code; anything else goes
 * whole to the log, and the client gets the id under which it is there.
 */
export function createMaskError(constraints: Constraints, logger: Logger) {
  return function maskError(error: GraphQLError): GraphQLError {
    const { nodes, source, positions, path } = error;
    const answer = (message: string, extensions: Record<string, unknown>) =>
      new GraphQLError(message, { nodes, source, positions, path, extensions });

    if (typeof error.extensions["code"] === "string") return error;
    const known = describe(error, constraints);
    if (known !== undefined && !(known instanceof DatabaseError)) {
      return answer(known.message, known.extensions);
    }
    if (known === undefined && error.originalError === undefined && path === undefined) {
      return answer(error.message, { code: "BAD_REQUEST" });
    }
    const errorId = randomUUID();
    logger.error({ errorId, err: rootCause(error), path }, "an operation failed unexpectedly");
    return answer(`Something went wrong here; it is logged as ${errorId}`, { code: "INTERNAL", errorId });
  };
}

function describe(error: GraphQLError, constraints: Constraints): CrmError | undefined {
  const cause = rootCause(error);
  if (cause instanceof CrmError) return cause;
  if (cause instanceof GraphQLError) return undefined;
  if (isSafeError(cause) || plainMessages.has(cause.message)) {
    return new ValidationError(cause.message, {});
  }
  return fromPgError(cause, constraints);
}

function rootCause(error: Error): Error {
  const inner = error instanceof GraphQLError ? error.originalError : undefined;
  return inner == null ? error : rootCause(inner);
}
