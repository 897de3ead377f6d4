import type { ServerResponse } from "node:http";

import { GraphQLError } from "graphql";
import type { Logger } from "pino";

import { CrmError, type ErrorCode, UnavailableError } from "../errors/classes.ts";
import { closeAfterAnswer } from "./headers.ts";
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

/** Answers an error that occurs before or outside GraphQL, in the format of GraphQL. */
export function answerError(logger: Logger, error: unknown, response: ServerResponse): void {
  const known = error instanceof CrmError;
  const requestId = currentRequest()?.id;
  if (!known) logger.error({ requestId, err: error }, "a request failed unexpectedly");
  else if (error.cause !== undefined) logger.warn({ requestId, err: error.cause }, error.message);
  if (response.headersSent) {
    response.destroy(); // the client must not take the part of a response for all of it
    return;
  }
  const answer = known
    ? new GraphQLError(error.message, { extensions: error.extensions })
    : new GraphQLError("Something went wrong here", { extensions: { code: "INTERNAL" } });
  const status = (known ? statuses[error.code] : undefined) ?? 500;
  if (status === 503) response.setHeader("retry-after", "1");
  if (status === 413) closeAfterAnswer(response); // the rest of the body is not read
  sendJson(response, status, { errors: [withRequestId(answer)] });
}

/** Sends a value as JSON. */
export function sendJson(response: ServerResponse, status: number, value: object): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": body.length,
  });
  response.end(body);
}
