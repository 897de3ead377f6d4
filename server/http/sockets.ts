import type { IncomingMessage, Server } from "node:http";
import { ServerResponse } from "node:http";

import type { Request, RequestHandler } from "express";
import { type ExecutionArgs, getOperationAST, GraphQLError } from "graphql";
import {
  CloseCode,
  type Context,
  handleProtocols,
  makeServer,
  type SubscribePayload,
} from "graphql-ws";
import type { Logger } from "pino";
import {
  type GrafservBase,
  makeGraphQLWSConfig,
  normalizeConnectionParams,
} from "postgraphile/grafserv";
import { type WebSocket, WebSocketServer } from "ws";

import type { Authenticate, PgSettings } from "../auth/authenticate.ts";
import type { DrainableSockets } from "./drain.ts";
import {
  CrmError,
  ForbiddenError,
  RateLimitedError,
  UnauthenticatedError,
  ValidationError,
  UnavailableError,
} from "../errors/classes.ts";
import { reviveSent } from "../model/exact-json.ts";
import { toGraphQLError } from "../graphql/errors/documents.ts";
import { codesOfStatus } from "../graphql/serving/http.ts";
import { abandoned, type Metrics, type Observation } from "./metrics.ts";
import { keyOfAddress, type RateLimiter } from "./rate-limit.ts";
import { beginRequest, type CurrentRequest, inRequest, logged } from "./requests.ts";
import { timeZoneSettings } from "../model/time-zone.ts";

/** How many WebSockets there may be, and what one of them may do. */
export interface SocketLimits {
  /** Sockets of one user. */
  readonly ofUser: number;
  /** Sockets of one address. */
  readonly ofAddress: number;
  /** Operations of one socket that run at once. */
  readonly operations: number;
  /** For how long a socket may say nothing of who asks, in milliseconds. */
  readonly initTimeout: number;
  /** The time between two pings, at which the token is checked again, in milliseconds. */
  readonly keepalive: number;
}

export interface SocketsDeps {
  limits: SocketLimits;
  /** The most that one message may have, in bytes. */
  messageBytes: number;
  authenticate: Authenticate;
  addressLimiter: RateLimiter;
  userLimiter: RateLimiter;
  allowedOrigins: readonly string[];
  logger: Logger;
  metrics?: Metrics | undefined;
}

/** GraphQL over WebSockets, by the protocol `graphql-transport-ws`. */
export interface Sockets extends DrainableSockets {
  /** Lets a server take the requests that ask for a socket; they are requests like all others. */
  attach(server: Server): void;
  /** Makes a socket of a request that asks for one. */
  readonly accept: RequestHandler;
  /** Gives what answers operations from now on. */
  serve(api: GrafservBase): void;
}

/** The largest that everything may be, in bytes, which a client sends before it says who asks. */
const maxUnidentified = 16_384;

/** Beyond this many bytes that a client does not read, nothing more is read from it. */
const maxUnread = 1_000_000;

const goingAway = 1001;
const tryAgainLater = 1013;

/** One socket. */
interface Connection {
  readonly socket: WebSocket;
  readonly request: Request;
  readonly address: string;
  /** By what the client sent, which is one object through all of the protocol's steps. */
  readonly operations: Map<SubscribePayload, Operation>;
  authorization: string | undefined;
  /** As the client names it; see `timeZoneSettings`. */
  timeZone?: unknown;
  user?: string;
  /** The protocol's knowledge of the socket, once it is known who asks. */
  context?: GraphqlContext;
}

/** One operation that runs. */
interface Operation {
  readonly id: string;
  readonly departure: AbortController;
  readonly observation: Observation | undefined;
  /** What the log and the answer say of it. */
  readonly request: CurrentRequest;
  readonly begin: number;
}

type GraphqlContext = Context<Record<string, unknown> | undefined, Connection>;

/** Makes the sockets of one server. Nothing is served before `serve`. */
export function createSockets(deps: SocketsDeps): Sockets {
  const { limits, logger, metrics } = deps;
  const allowedOrigins = new Set(deps.allowedOrigins);
  const connections = new Set<Connection>();
  const heads = new WeakMap<IncomingMessage, Buffer>();
  const operationsOfArgs = new WeakMap<object, Operation>();
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: deps.messageBytes,
    handleProtocols,
  });
  let grafserv: ReturnType<typeof makeGraphQLWSConfig> | undefined;
  let draining = false;

  const count = (isCounted: (connection: Connection) => boolean) =>
    [...connections].filter(isCounted).length;

  function fail({ socket }: Connection, error: unknown): void {
    logger.error({ err: error }, "a socket failed unexpectedly");
    socket.close(CloseCode.InternalServerError, "Something went wrong here");
  }

  /** Checks the token of a socket, which may have expired since; a bad one ends the socket. */
  async function identify(connection: Connection): Promise<PgSettings | undefined> {
    try {
      const settings = {
        ...(await deps.authenticate(connection.authorization)),
        ...timeZoneSettings(connection.timeZone),
      };
      connection.user = settings["crm.user_id"];
      return settings;
    } catch (error) {
      if (error instanceof UnauthenticatedError || error instanceof ValidationError) {
        connection.socket.close(CloseCode.Forbidden, error.message);
      } else if (error instanceof CrmError) {
        connection.socket.close(tryAgainLater, error.message);
      } else {
        fail(connection, error);
      }
      return undefined;
    }
  }

  const protocol = makeServer<Record<string, unknown> | undefined, Connection>({
    jsonMessageReviver: reviveSent,
    connectionInitWaitTimeout: limits.initTimeout,

    async onConnect(context) {
      const connection = context.extra;
      connection.authorization =
        parameterOf(context.connectionParams, "authorization") ??
        connection.request.headers.authorization;
      connection.timeZone =
        parameterOf(context.connectionParams, "time-zone") ??
        connection.request.headers["time-zone"];
      if ((await identify(connection)) === undefined) return false;
      if (count(({ user }) => user === connection.user) > limits.ofUser) {
        connection.socket.close(tryAgainLater, `There are ${limits.ofUser} sockets of this user`);
        return false;
      }
      connection.context = context;
      return true;
    },

    async onSubscribe(context, id, payload) {
      const connection = context.extra;
      const { operations, socket } = connection;
      const operation: Operation = {
        id,
        departure: new AbortController(),
        observation: metrics?.observe(),
        request: beginRequest({ operationName: payload.operationName ?? undefined }),
        begin: Date.now(),
      };
      operations.set(payload, operation);
      const refuse = (...errors: readonly GraphQLError[]) => {
        if (!(id in context.subscriptions)) finish(connection, payload); // nobody is told
        return errors;
      };
      try {
        if (draining) throw new UnavailableError("The server is stopping; please try again");
        if (operations.size > limits.operations) {
          throw new RateLimitedError(
            `At most ${limits.operations} operations may run at once over a socket`,
            { limit: "socketOperations", maximum: limits.operations },
          );
        }
        const pgSettings = await identify(connection);
        if (pgSettings === undefined) throw new UnauthenticatedError();
        Object.assign(operation.request, {
          user: pgSettings["crm.user_id"],
          role: pgSettings.role,
        });
        await deps.addressLimiter.countOperation(connection.address);
        await deps.userLimiter.countOperation(pgSettings["crm.user_id"]);
        const request = Object.assign(Object.create(connection.request) as IncomingMessage, {
          pgSettings,
          departure: operation.departure.signal,
        });
        const args = await inside(operation, () =>
          grafserv?.onSubscribe?.({ ...context, extra: { socket, request } }, id, payload),
        );
        if (!args) throw new UnavailableError("The server is not ready; please try again");
        if (isErrors(args)) return refuse(...args);
        if (!getOperationAST(args.document, args.operationName)) {
          const extensions = { code: "BAD_REQUEST" };
          return refuse(new GraphQLError("There is no such operation", { extensions }));
        }
        operationsOfArgs.set(args, operation);
        return args;
      } catch (error) {
        return refuse(
          error instanceof CrmError
            ? toGraphQLError(error)
            : new GraphQLError("Something went wrong here", { originalError: error as Error }),
        );
      }
    },

    execute: (args) => carryOut(args, grafserv?.execute),
    subscribe: (args) => carryOut(args, grafserv?.subscribe),

    onNext: (context, id, payload, args, result) =>
      inside(context.extra.operations.get(payload), () =>
        grafserv?.onNext?.(context, id, payload, args, result),
      ),

    async onError(context, id, payload, errors) {
      const given = errors.map(withCode);
      const masked = await inside(context.extra.operations.get(payload), () =>
        grafserv?.onError?.(context, id, payload, given),
      );
      finish(context.extra, payload);
      return masked;
    },

    onComplete: (context, _id, payload) => finish(context.extra, payload),
  });

  type Execute = (args: ExecutionArgs) => unknown;

  /** What goes wrong on the way is an answer, as it is by HTTP. */
  async function carryOut<Result>(args: ExecutionArgs, work: Execute | undefined): Promise<Result> {
    try {
      return (await inside(operationsOfArgs.get(args), () => work?.(args))) as Result;
    } catch (error) {
      const { message } = error as Error;
      const errors = [new GraphQLError(message, { originalError: error as Error })];
      return { errors } as Result;
    }
  }

  function finish({ operations }: Connection, payload: SubscribePayload): void {
    const operation = operations.get(payload);
    if (!operations.delete(payload) || operation === undefined) return;
    const { departure, observation, request, begin } = operation;
    const isAbandoned = departure.signal.aborted;
    observation?.end(isAbandoned ? abandoned : "OK");
    logger.info(
      { requestId: request.id, ...logged(request), responseTime: Date.now() - begin },
      isAbandoned ? "operation aborted" : "operation completed",
    );
  }

  /** Ends the operations that the protocol no longer knows: their client does not wait for them. */
  function abandon({ operations, context }: Connection): void {
    for (const { id, departure } of operations.values()) {
      if (context && !(id in context.subscriptions)) departure.abort();
    }
  }

  const closeIfIdle = ({ operations, socket }: Connection) => {
    if (operations.size === 0) socket.close(goingAway, "The server is stopping");
  };

  function open(socket: WebSocket, request: Request): void {
    const connection: Connection = {
      socket,
      request,
      address: keyOfAddress(request),
      operations: new Map(),
      authorization: undefined,
    };
    connections.add(connection);
    metrics?.countSockets(1);
    const began = Date.now();
    const stopKeepingAlive = keepAlive(connection);
    limitUnidentified(connection);

    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) =>
          new Promise((resolve, reject) => {
            socket.send(data, (error) => {
              if (socket.isPaused && socket.bufferedAmount < maxUnread) socket.resume();
              if (error) reject(error);
              else resolve();
            });
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage(take) {
          socket.on("message", (data: Buffer) => {
            if (socket.bufferedAmount > maxUnread) socket.pause();
            const taken = take(data.toString());
            abandon(connection);
            taken
              .catch((error: unknown) => {
                if (socket.readyState === socket.OPEN) fail(connection, error);
              })
              .finally(() => {
                if (draining) closeIfIdle(connection);
              });
          });
        },
      },
      connection,
    );
    socket.on("error", (error) => logger.info({ reason: error.message }, "a socket failed"));
    socket.once("close", (code, reason) => {
      stopKeepingAlive();
      connections.delete(connection);
      metrics?.countSockets(-1);
      for (const { departure } of connection.operations.values()) departure.abort();
      void closed(code, reason.toString());
      logger.info({ code, milliseconds: Date.now() - began }, "a socket was closed");
    });
    if (draining) closeIfIdle(connection);
  }

  /** Ends a socket whose client is gone, or whose token is no longer good. */
  function keepAlive(connection: Connection): () => void {
    const { socket } = connection;
    let isAlive = true;
    socket.on("pong", () => (isAlive = true));
    const timer = setInterval(() => {
      if (!isAlive) {
        socket.terminate();
        return;
      }
      isAlive = false;
      socket.ping();
      if (connection.context !== undefined) void identify(connection);
    }, limits.keepalive);
    return () => clearInterval(timer);
  }

  return {
    attach(http) {
      http.on("upgrade", (request, socket, head) => {
        const response = new ServerResponse(request);
        response.assignSocket(request.socket);
        response.shouldKeepAlive = false;
        response.once("finish", () => socket.end());
        socket.once("error", () => socket.destroy());
        heads.set(request, head);
        http.emit("request", request, response);
      });
    },

    accept(request, response, next) {
      const head = heads.get(request);
      if (head === undefined) {
        next();
        return;
      }
      const { origin, host } = request.headers;
      if (origin !== undefined && !allowedOrigins.has(origin) && hostOf(origin) !== host) {
        throw new ForbiddenError("Pages of this origin may not open a socket");
      }
      const address = keyOfAddress(request);
      if (count((connection) => connection.address === address) >= limits.ofAddress) {
        throw new RateLimitedError(`There are ${limits.ofAddress} sockets of this address`, {
          limit: "socketsOfAddress",
          maximum: limits.ofAddress,
        });
      }
      if (grafserv === undefined) {
        throw new UnavailableError("The server is waiting for its database; please try again");
      }
      const { socket } = request;
      response.statusCode = 101;
      response.detachSocket(socket);
      response.emit("close"); // as a request it is done
      server.handleUpgrade(request, socket, head, (opened) => open(opened, request));
    },

    serve: (api) => (grafserv = makeGraphQLWSConfig(api)),
    running: () => [...connections].reduce((sum, { operations }) => sum + operations.size, 0),
    drain() {
      draining = true;
      for (const connection of connections) closeIfIdle(connection);
    },
    close() {
      for (const { socket } of connections) socket.close(goingAway, "The server is stopping");
    },
    cut() {
      for (const { socket } of connections) socket.terminate();
    },
  };
}

/** Whether a request asks for a socket where there are some; others are no more than requests. */
export function asksForSocket({ url = "", headers }: IncomingMessage): boolean {
  return url.split("?")[0] === "/graphql" && headers.upgrade?.toLowerCase() === "websocket";
}

/** Cuts whoever sends much before they say who they are. */
function limitUnidentified(connection: Connection): void {
  const { socket } = connection.request;
  let size = 0;
  const listen = (chunk: Buffer) => {
    if (connection.context !== undefined) socket.off("data", listen);
    else if ((size += chunk.length) > maxUnidentified) socket.destroy();
  };
  socket.on("data", listen);
}

/** The token as clients send it: beside everything else, or among what would be headers. */
function parameterOf(
  params: Record<string, unknown> | undefined,
  name: "authorization" | "time-zone",
): string | undefined {
  const outer = normalizeConnectionParams(params);
  const inner = normalizeConnectionParams(params?.headers as Record<string, unknown> | undefined);
  const given = outer?.[name] ?? inner?.[name];
  return typeof given === "string" ? given : undefined;
}

/** What HTTP would say by its status only. */
function withCode(error: GraphQLError): GraphQLError {
  const { code, statusCode, ...rest } = error.extensions;
  if (statusCode === undefined) return error;
  const extensions = { code: code ?? codesOfStatus[Number(statusCode)] ?? "BAD_REQUEST", ...rest };
  return new GraphQLError(error.message, { extensions });
}

function isErrors(value: object): value is readonly GraphQLError[] {
  return Array.isArray(value);
}

function inside<Result>(operation: Operation | undefined, work: () => Result): Result {
  if (operation === undefined) return work();
  const { observation, request } = operation;
  return inRequest(request, () => (observation ? observation.run(work) : work()));
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
