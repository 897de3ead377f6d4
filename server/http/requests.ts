import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

import { type DocumentNode, getOperationAST, GraphQLError, Kind } from "graphql";
import type { Logger } from "pino";

import type { PgSettings } from "../auth/authenticate.ts";
import { pathOf } from "./request.ts";

/** A request that is being served, by HTTP or over a WebSocket. */
export interface CurrentRequest {
  /** Its id in the log and the response. */
  readonly id: string;
  /** When it began, by `performance.now()`. */
  readonly begin: number;
  /** The user, as in the audit log. */
  user?: string | undefined;
  /** The role of the user. */
  role?: string | undefined;
  /** The kind of operation and its first field, such as `mutation createContact`. */
  operation?: string | undefined;
  /** The client's name of the operation. */
  operationName?: string | undefined;
  /** The code of its first error. */
  code?: string | undefined;
  /** Whether it was answered by a compiled statement. */
  compiled?: true | undefined;
}

const current = new AsyncLocalStorage<CurrentRequest>();

/** Returns the request that the current asynchronous call belongs to. */
export function currentRequest(): CurrentRequest | undefined {
  return current.getStore();
}

/** Runs work as a part of a request. */
export function inRequest<Result>(request: CurrentRequest, work: () => Result): Result {
  return current.run(request, work);
}

/** Creates a request, by default with a new id. */
export function beginRequest(id: string = randomUUID()): CurrentRequest {
  return { id, begin: performance.now() };
}

/** Records the user and the role of a request, for the log. */
export function noteUser(request: CurrentRequest, settings: PgSettings): void {
  request.user = settings["crm.user_id"];
  request.role = settings.role;
}

/** The header with the id of a request, in requests and responses. */
const idHeader = "x-request-id";

/** The ids that are accepted from a proxy. All others are replaced. */
const acceptable = /^[\w.:/+=-]{8,128}$/;

/**
 * Assigns a request its id: that of a proxy, or a new one. It is in the response header `X-Request-Id`, in
 * the extensions of each error, and in each log line about the request.
 */
export function identifyRequest({ headers }: IncomingMessage, response: ServerResponse) {
  const given = headers[idHeader];
  const isAcceptable = typeof given === "string" && acceptable.test(given);
  const request = beginRequest(isAcceptable ? given : undefined);
  response.setHeader(idHeader, request.id);
  return request;
}

/** Adds the id of the current request to an error. */
export function withRequestId(error: GraphQLError): GraphQLError {
  const request = currentRequest();
  if (request === undefined) return error;
  const { message, nodes, source, positions, path, originalError, extensions } = error;
  if (typeof extensions.code === "string") request.code ??= extensions.code;
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    path,
    originalError,
    extensions: { ...extensions, requestId: request.id },
  });
}

/**
 * Logs one line for a request, when it is completed. Headers and bodies are not logged, because they
 * contain tokens and variables.
 */
export function logRequest(
  logger: Logger,
  current: CurrentRequest,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { method } = request;
  const path = pathOf(request); // an extension may change it later
  let failure: Error | undefined;
  response.once("error", (error) => (failure = error)); // without a listener, it would end Node
  response.once("close", () => {
    if (!logger.isLevelEnabled("info")) return;
    const { statusCode, headersSent, writableEnded } = response;
    const isFailed = failure !== undefined || statusCode >= 500;
    logger.info(
      {
        req: { id: current.id, method, path },
        res: { statusCode: headersSent || statusCode === 101 ? statusCode : null },
        ...(isFailed && { err: failure ?? new Error(`failed with status code ${statusCode}`) }),
        responseTime: millisecondsOf(current),
        ...logged(current),
      },
      isFailed ? "request errored" : outcomeOf(statusCode, writableEnded),
    );
  });
}

function outcomeOf(statusCode: number, isComplete: boolean): string {
  if (statusCode === 101) return "a socket was opened";
  return isComplete ? "request completed" : "request aborted";
}

/** Returns for how long a request has been served, in milliseconds. */
export function millisecondsOf({ begin }: CurrentRequest): number {
  return Math.round(performance.now() - begin);
}

/** Returns the properties of a request for the log. */
export function logged(request: CurrentRequest): Partial<CurrentRequest> {
  const { user, role, operation, operationName, code, compiled } = request;
  return {
    ...(user === undefined ? {} : { user }),
    ...(role === undefined ? {} : { role }),
    ...(operation === undefined ? {} : { operation }),
    ...(operationName === undefined ? {} : { operationName }),
    ...(code === undefined ? {} : { code }),
    ...(compiled === undefined ? {} : { compiled }),
  };
}

/** Records the executed operation of a request, for the log and the metrics. */
export const RequestsPlugin: GraphileConfig.Plugin = {
  name: "CrmRequestsPlugin",
  version: "1.0.0",
  description: "Records the executed operation for the log and the metrics",
  grafast: {
    middleware: {
      execute(next, { args }) {
        noteOperation(args.document, args.operationName);
        return next();
      },
      subscribe(next, { args }) {
        noteOperation(args.document, args.operationName);
        return next();
      },
    },
  },
};

/** The maximum length of the name of an operation in the log. */
const longestName = 200;

/** Records the operation of the current request: its kind and first field, and the client's name of it. */
export function noteOperation(
  document: DocumentNode,
  operationName: string | null | undefined,
): void {
  const request = currentRequest();
  if (request === undefined) return;
  const operation = getOperationAST(document, operationName);
  const [first] = operation?.selectionSet.selections ?? [];
  const kind = operation?.operation ?? "none";
  request.operation = first?.kind === Kind.FIELD ? `${kind} ${first.name.value}` : kind;
  request.operationName = operation?.name?.value.slice(0, longestName);
}
