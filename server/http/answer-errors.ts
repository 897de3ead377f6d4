import type { ErrorRequestHandler } from "express";
import { GraphQLError } from "graphql";
import type { Logger } from "pino";

import { CrmError, type ErrorCode, UnavailableError } from "../errors/classes.ts";
import { closeAfterAnswer } from "./headers.ts";
import type { Metrics } from "./metrics.ts";
import { currentRequest, withRequestId } from "./requests.ts";

/** The HTTP status of errors that occur before GraphQL. */
const statuses: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  OVERLOADED: 503,
  SCHEMA_CHANGED: 503,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  TIMEOUT: 503,
  UNAVAILABLE: 503,
  VALIDATION_ERROR: 400,
};

/** Returns the error of a request that arrives before GraphQL is served. */
export function waitingForDatabase(): UnavailableError {
  return new UnavailableError("The server is waiting for its database; please try again");
}

/** Returns the error of a request that arrives while the server stops. */
export function stopping(): UnavailableError {
  return new UnavailableError("The server is stopping; please try again");
}

/** Answers errors that occur before or outside GraphQL, in the format of GraphQL. */
export function answerErrors(logger: Logger, metrics?: Metrics): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const known = error instanceof CrmError;
    const requestId = currentRequest()?.id;
    if (!known) logger.error({ requestId, err: error }, "a request failed unexpectedly");
    else if (error.cause !== undefined) logger.warn({ requestId, err: error.cause }, error.message);
    const answer = known
      ? new GraphQLError(error.message, { extensions: error.extensions })
      : new GraphQLError("Something went wrong here", { extensions: { code: "INTERNAL" } });
    metrics?.noteError(answer.extensions.code);
    const status = known ? statuses[error.code] : undefined;
    if (status === 503) response.setHeader("retry-after", "1");
    if (status === 413) closeAfterAnswer(response); // the rest of the body is not read
    response.status(status ?? 500).json({ errors: [withRequestId(answer)] });
  };
}
