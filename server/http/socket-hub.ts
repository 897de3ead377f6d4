import type { IncomingMessage } from "node:http";

import type { Context, SubscribePayload } from "graphql-ws";
import type { Logger } from "pino";
import type { makeGraphQLWSConfig } from "postgraphile/grafserv";
import type { WebSocket } from "ws";

import type { Authenticate } from "../auth/authenticate.ts";
import type { Metrics } from "./metrics.ts";
import type { Origins } from "./origins.ts";
import type { RateLimiter } from "./rate-limit.ts";
import type { CurrentRequest } from "./requests.ts";

/** The limits of WebSockets. */
export interface SocketLimits {
  /** Sockets of one user. */
  readonly ofUser: number;
  /** Sockets of one address. */
  readonly ofAddress: number;
  /** Operations of one socket that run at once. */
  readonly operations: number;
  /** How long a socket may stay open without a token, in milliseconds. */
  readonly initTimeout: number;
  /** The time between two pings, at which the token is checked again, in milliseconds. */
  readonly keepalive: number;
}

export interface SocketsDeps {
  readonly limits: SocketLimits;
  /** The maximum size of one message, in bytes. */
  readonly messageBytes: number;
  readonly authenticate: Authenticate;
  readonly addressLimiter: RateLimiter;
  readonly userLimiter: RateLimiter;
  readonly origins: Origins;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
}

/** All sockets of a server. */
export interface Hub {
  readonly deps: SocketsDeps;
  readonly connections: Set<Connection>;
  /** Grafserv's side of the protocol; undefined until GraphQL is served. */
  grafserv: ReturnType<typeof makeGraphQLWSConfig> | undefined;
  /** Whether the server is stopping. */
  draining: boolean;
}

/** One socket. */
export interface Connection {
  readonly socket: WebSocket;
  /** The request that opened the socket. */
  readonly request: IncomingMessage;
  readonly address: string;
  /** Running operations by the client's message, which is the same object in all steps of graphql-ws. */
  readonly operations: Map<SubscribePayload, Operation>;
  authorization: string | undefined;
  /** As the client has sent it; see `timeZoneSettings`. */
  timeZone: unknown;
  user: string | undefined;
  /** The state of graphql-ws; undefined until the token is accepted. */
  context: GraphqlContext | undefined;
}

/** The parameters that a client sends before its first operation. */
export type ConnectionParams = Record<string, unknown> | undefined;

export type GraphqlContext = Context<ConnectionParams, Connection>;

/** One running operation. */
export interface Operation {
  readonly id: string;
  readonly payload: SubscribePayload;
  /** Aborted when the client leaves, or cancels the operation. */
  readonly departure: AbortController;
  /** The operation in the log and in its response. */
  readonly request: CurrentRequest;
}

/** WebSocket close codes. */
export const goingAway = 1001;
export const tryAgainLater = 1013;

/** Returns how many sockets satisfy a condition. */
export function countSockets(
  { connections }: Hub,
  isCounted: (connection: Connection) => boolean,
): number {
  return [...connections].filter(isCounted).length;
}

/** Closes a socket of a stopping server, unless it has running operations. */
export function closeIfIdle({ operations, socket }: Connection): void {
  if (operations.size === 0) socket.close(goingAway, "The server is stopping");
}
