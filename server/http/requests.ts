import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";

import type { RequestHandler } from "express";
import { type DocumentNode, getOperationAST, GraphQLError, Kind } from "graphql";
import type { Logger } from "pino";
import { pinoHttp } from "pino-http";

import type { PgSettings } from "../auth/authenticate.ts";

/** A request that is being served, by HTTP or over a WebSocket. */
export interface CurrentRequest {
  /** Its id in the log and the response. */
  readonly id: string;
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

/** Creates a request with a new id. */
export function beginRequest(known: Omit<CurrentRequest, "id"> = {}): CurrentRequest {
  return { id: randomUUID(), ...known };
}

/** Records the user and the role of a request, for the log. */
export function noteUser(request: CurrentRequest | undefined, settings: PgSettings): void {
  if (request === undefined) return;
  request.user = settings["crm.user_id"];
  request.role = settings.role;
}

/** The header with the id of a request, in requests and responses. */
const idHeader = "x-request-id";

/** The ids that are accepted from a proxy. All others are replaced. */
const acceptable = /^[\w.:/+=-]{8,128}$/;

/**
 * Assigns each request its id: that of a proxy, or a new one. It is in the response header `X-Request-Id`, in
 * the extensions of each error, and in each log line about the request.
 */
export const identifyRequest: RequestHandler = (request, response, next) => {
  const given = request.get(idHeader) ?? "";
  const known = acceptable.test(given) ? { ...beginRequest(), id: given } : beginRequest();
  request.current = known;
  request.id = known.id;
  response.setHeader(idHeader, known.id);
  inRequest(known, next);
};

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
 * Logs one line for each request, when it is completed. Headers and bodies are not logged, because they
 * contain tokens and variables.
 */
export function logRequests(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    // The properties of a request, except its id, are known only at its end.
    customSuccessObject: (request, _response, line: object) => ({
      ...line,
      ...logged((request as { current?: CurrentRequest }).current),
    }),
    customErrorObject: (request, _response, _error, line: object) => ({
      ...line,
      ...logged((request as { current?: CurrentRequest }).current),
    }),
    serializers: {
      req: ({ id, method, url }: { id: unknown; method: string; url: string }) => ({
        id,
        method,
        path: url.split("?")[0],
      }),
      res: ({ statusCode, raw }: { statusCode: number | null; raw: { statusCode: number } }) => ({
        statusCode: raw.statusCode === 101 ? 101 : statusCode,
      }),
    },
    customSuccessMessage(_request, { statusCode, writableEnded }) {
      if (statusCode === 101) return "a socket was opened";
      return writableEnded ? "request completed" : "request aborted";
    },
  });
}

/** Returns the properties of a request for the log. */
export function logged(request: CurrentRequest | undefined): Partial<CurrentRequest> {
  const { user, role, operation, operationName, code } = request ?? {};
  return {
    ...(user === undefined ? {} : { user }),
    ...(role === undefined ? {} : { role }),
    ...(operation === undefined ? {} : { operation }),
    ...(operationName === undefined ? {} : { operationName }),
    ...(code === undefined ? {} : { code }),
  };
}

/** Records the executed operation of a request, for the log. */
export const RequestsPlugin: GraphileConfig.Plugin = {
  name: "CrmRequestsPlugin",
  version: "1.0.0",
  description: "Records the executed operation for the log",
  grafast: {
    middleware: {
      execute(next, { args }) {
        const request = currentRequest();
        if (request !== undefined) noteOperation(request, args.document, args.operationName);
        return next();
      },
      subscribe(next, { args }) {
        const request = currentRequest();
        if (request !== undefined) noteOperation(request, args.document, args.operationName);
        return next();
      },
    },
  },
};

/** The maximum length of the name of an operation in the log. */
const longestName = 200;

function noteOperation(
  request: CurrentRequest,
  document: DocumentNode,
  operationName: string | null | undefined,
): void {
  request.operation = describeOperation(document, operationName);
  request.operationName = getOperationAST(document, operationName)?.name?.value.slice(
    0,
    longestName,
  );
}

/** Returns the kind of operation and its first field, such as `mutation createContact`. */
export function describeOperation(
  document: DocumentNode,
  operationName: string | null | undefined,
): string {
  const operation = getOperationAST(document, operationName);
  const [first] = operation?.selectionSet.selections ?? [];
  const kind = operation?.operation ?? "none";
  return first?.kind === Kind.FIELD ? `${kind} ${first.name.value}` : kind;
}
