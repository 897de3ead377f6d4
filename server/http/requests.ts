import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";

import type { RequestHandler } from "express";
import { type DocumentNode, getOperationAST, GraphQLError, Kind } from "graphql";
import type { Logger } from "pino";
import { pinoHttp } from "pino-http";

/** What is known of a request that is being served, of HTTP or of a socket. */
export interface CurrentRequest {
  /** What the log and the answer call it. */
  readonly id: string;
  /** Who asks, as the audit log would have it. */
  user?: string | undefined;
  /** The role that it is done in. */
  role?: string | undefined;
  /** The kind of operation and its first field, such as `mutation createContact`. */
  operation?: string | undefined;
  /** What the client calls the operation. */
  operationName?: string | undefined;
  /** The code of its first error. */
  code?: string | undefined;
}

const current = new AsyncLocalStorage<CurrentRequest>();

/** The request that is being served, wherever in the serving of it this is asked. */
export function currentRequest(): CurrentRequest | undefined {
  return current.getStore();
}

/** Does a part of the serving of a request. */
export function inRequest<Result>(request: CurrentRequest, work: () => Result): Result {
  return current.run(request, work);
}

/** Begins a request that has no id of its own yet. */
export function beginRequest(known: Omit<CurrentRequest, "id"> = {}): CurrentRequest {
  return { id: randomUUID(), ...known };
}

/** The header that carries the id of a request, there and back. */
const idHeader = "x-request-id";

/** The ids that are taken over from whoever stands before the server; all others are replaced. */
const acceptable = /^[\w.:/+=-]{8,128}$/;

/**
 * Gives each request its id: that of the proxy before the server, or a new one. The answer has it in
 * `X-Request-Id`, each error in its extensions, and the log in each line about the request.
 */
export const identifyRequest: RequestHandler = (request, response, next) => {
  const given = request.get(idHeader) ?? "";
  const known = acceptable.test(given) ? { ...beginRequest(), id: given } : beginRequest();
  request.current = known;
  request.id = known.id;
  response.setHeader(idHeader, known.id);
  inRequest(known, next);
};

/** An error that says of which request it is. */
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
 * One line for each request, when it is done. Headers, and with them tokens, stay out; so do bodies,
 * and with them variables.
 */
export function logRequests(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    // What is known of a request, but for its id, is known at its end only.
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

/** What the log says of an operation beside its times. */
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

/** Notes which operation a request has, so that the log can name it. */
export const RequestsPlugin: GraphileConfig.Plugin = {
  name: "CrmRequestsPlugin",
  version: "1.0.0",
  description: "Notes which operation is executed, for the log",
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

/** The longest name of an operation that the log has whole. */
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

/** The kind of operation and its first field, such as `mutation createContact`. */
export function describeOperation(
  document: DocumentNode,
  operationName: string | null | undefined,
): string {
  const operation = getOperationAST(document, operationName);
  const [first] = operation?.selectionSet.selections ?? [];
  const kind = operation?.operation ?? "none";
  return first?.kind === Kind.FIELD ? `${kind} ${first.name.value}` : kind;
}
