import { type ExecutionArgs, getOperationAST, GraphQLError } from "graphql";
import { makeServer, type Server, type SubscribePayload } from "graphql-ws";
import type { IncomingMessage } from "node:http";

import { CrmError, RateLimitedError, UnauthenticatedError } from "../errors/classes.ts";
import { toGraphQLError } from "../graphql/errors/documents.ts";
import { codesOfStatus } from "../graphql/serving/http.ts";
import { reviveSent } from "../model/exact-json.ts";
import { stopping, waitingForDatabase } from "./answer-errors.ts";
import { abandoned } from "./metrics.ts";
import { beginRequest, inRequest, logged, millisecondsOf, noteUser } from "./requests.ts";
import type { Connection, ConnectionParams, GraphqlContext, Hub, Operation } from "./socket-hub.ts";
import { acceptClient, identify } from "./socket-identity.ts";

/** The protocol `graphql-transport-ws`. */
export type Protocol = Server<Connection>;

type Errors = readonly GraphQLError[];
type Execute = (args: ExecutionArgs) => unknown;

/** The operations that graphql-ws executes by these arguments. */
const operationsOfArgs = new WeakMap<object, Operation>();

/**
 * Creates the protocol of all sockets. Grafserv does the work of each step; this adds identity, limits,
 * the log, metrics and error codes.
 */
export function createProtocol(hub: Hub): Protocol {
  return makeServer<ConnectionParams, Connection>({
    jsonMessageReviver: reviveSent,
    connectionInitWaitTimeout: hub.deps.limits.initTimeout,
    onConnect: (context) => acceptClient(hub, context),
    onSubscribe: (context, id, payload) => begin(hub, context, id, payload),
    execute: (args) => carryOut(args, hub.grafserv?.execute),
    subscribe: (args) => carryOut(args, hub.grafserv?.subscribe),
    onNext: (context, id, payload, args, result) =>
      inside(context.extra.operations.get(payload), () =>
        hub.grafserv?.onNext?.(context, id, payload, args, result),
      ),
    async onError(context, id, payload, errors) {
      const masked = await inside(context.extra.operations.get(payload), () =>
        hub.grafserv?.onError?.(context, id, payload, errors.map(withCode)),
      );
      finish(hub, context.extra, payload);
      return masked;
    },
    onComplete: (context, _id, payload) => finish(hub, context.extra, payload),
  });
}

/** Aborts the operations that graphql-ws no longer knows: their client has cancelled them. */
export function abandonCancelled({ operations, context }: Connection): void {
  for (const { id, departure } of operations.values()) {
    if (context && !(id in context.subscriptions)) departure.abort();
  }
}

/** Begins an operation. Returns the arguments of its execution, or the errors by which it is refused. */
async function begin(
  hub: Hub,
  context: GraphqlContext,
  id: string,
  payload: SubscribePayload,
): Promise<ExecutionArgs | Errors> {
  const operation: Operation = {
    id,
    payload,
    departure: new AbortController(),
    request: beginRequest(),
  };
  operation.request.operationName = payload.operationName ?? undefined;
  context.extra.operations.set(payload, operation);
  const result = await prepare(hub, context, operation).catch(errorsOf);
  if (!isErrors(result)) {
    operationsOfArgs.set(result, operation);
  } else if (!(id in context.subscriptions)) {
    finish(hub, context.extra, payload); // the client has cancelled it, so no other step follows
  }
  return result;
}

/**
 * Checks that an operation may run, and prepares its execution.
 *
 * @throws {CrmError} if it may not.
 */
async function prepare(
  hub: Hub,
  context: GraphqlContext,
  operation: Operation,
): Promise<ExecutionArgs | Errors> {
  const { limits, addressLimiter, userLimiter } = hub.deps;
  const connection = context.extra;
  if (hub.draining) throw stopping();
  if (connection.operations.size > limits.operations) {
    throw new RateLimitedError(
      `At most ${limits.operations} operations may run at once over a socket`,
      { limit: "socketOperations", maximum: limits.operations },
    );
  }
  const pgSettings = await identify(hub, connection);
  if (pgSettings === undefined) throw new UnauthenticatedError();
  noteUser(operation.request, pgSettings);
  await addressLimiter.count(connection.address);
  await userLimiter.count(pgSettings["crm.user_id"]);

  const departure = operation.departure.signal;
  const own = Object.create(connection.request) as IncomingMessage;
  const extra = {
    socket: connection.socket,
    request: Object.assign(own, { pgSettings, departure }),
  };
  const args = await inside(operation, () =>
    hub.grafserv?.onSubscribe?.({ ...context, extra }, operation.id, operation.payload),
  );
  if (!args) throw waitingForDatabase();
  if (isErrors(args) || getOperationAST(args.document, args.operationName)) return args;
  const extensions = { code: "BAD_REQUEST" };
  return [new GraphQLError("There is no such operation", { extensions })];
}

function errorsOf(error: unknown): Errors {
  if (error instanceof CrmError) return [toGraphQLError(error)];
  return [new GraphQLError("Something went wrong here", { originalError: error as Error })];
}

/** Executes an operation. An error is a result with errors, as over HTTP. */
async function carryOut<Result>(args: ExecutionArgs, work: Execute | undefined): Promise<Result> {
  try {
    return (await inside(operationsOfArgs.get(args), () => work?.(args))) as Result;
  } catch (error) {
    const { message } = error as Error;
    const errors = [new GraphQLError(message, { originalError: error as Error })];
    return { errors } as Result;
  }
}

/** Ends an operation: counts and logs it. */
function finish(hub: Hub, { operations }: Connection, payload: SubscribePayload): void {
  const operation = operations.get(payload);
  if (!operations.delete(payload) || operation === undefined) return;
  const { departure, request } = operation;
  const isAbandoned = departure.signal.aborted;
  hub.deps.metrics?.count(request, isAbandoned ? abandoned : "OK");
  hub.deps.logger.info(
    { requestId: request.id, ...logged(request), responseTime: millisecondsOf(request) },
    isAbandoned ? "operation aborted" : "operation completed",
  );
}

/** Runs a step of an operation as a part of its request. */
function inside<Result>(operation: Operation | undefined, work: () => Result): Result {
  if (operation === undefined) return work();
  return inRequest(operation.request, work);
}

/** Adds a code to an error that over HTTP has a status only. */
function withCode(error: GraphQLError): GraphQLError {
  const { code, statusCode, ...rest } = error.extensions;
  if (statusCode === undefined) return error;
  const extensions = { code: code ?? codesOfStatus[Number(statusCode)] ?? "BAD_REQUEST", ...rest };
  return new GraphQLError(error.message, { extensions });
}

function isErrors(value: object): value is Errors {
  return Array.isArray(value);
}
