import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import { handleProtocols } from "graphql-ws";
import { type GrafservBase, makeGraphQLWSConfig } from "postgraphile/grafserv";
import { WebSocketServer } from "ws";

import { RateLimitedError } from "../errors/classes.ts";
import { waitingForDatabase } from "./answer-errors.ts";
import type { DrainableSockets } from "./drain.ts";
import { refusedOrigin } from "./headers.ts";
import { openConnection } from "./socket-connection.ts";
import { closeIfIdle, countSockets, goingAway, type Hub, type SocketsDeps } from "./socket-hub.ts";
import { createProtocol } from "./socket-operations.ts";

export type { SocketLimits, SocketsDeps } from "./socket-hub.ts";

/** GraphQL over WebSockets, with the protocol `graphql-transport-ws`. */
export interface Sockets extends DrainableSockets {
  /** Makes a server handle requests that open a socket. They pass its routes like all others. */
  attach(server: Server): void;
  /**
   * Turns a request that opens a socket into one.
   *
   * @param address the address of the client; see `keyOfAddress`.
   * @returns whether the request opens a socket.
   * @throws {CrmError} if it may not.
   */
  readonly accept: (request: IncomingMessage, response: ServerResponse, address: string) => boolean;
  /** Sets the API that executes operations. Until then, no socket is opened. */
  serve(api: GrafservBase): void;
}

/** Creates the sockets of one server. */
export function createSockets(deps: SocketsDeps): Sockets {
  const hub: Hub = { deps, connections: new Set(), grafserv: undefined, draining: false };
  const protocol = createProtocol(hub);
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: deps.messageBytes,
    handleProtocols,
  });
  return {
    attach,
    accept(request, response, address) {
      const head = heads.get(request);
      if (head === undefined) return false;
      refuseUnlessAllowed(hub, request, address);
      const { socket } = request;
      response.statusCode = 101;
      response.detachSocket(socket);
      response.emit("close"); // the HTTP request is complete
      server.handleUpgrade(request, socket, head, (opened) =>
        openConnection(hub, protocol, opened, request, address),
      );
      return true;
    },
    serve: (api) => (hub.grafserv = makeGraphQLWSConfig(api)),
    running: () => [...hub.connections].reduce((sum, { operations }) => sum + operations.size, 0),
    drain() {
      hub.draining = true;
      for (const connection of hub.connections) closeIfIdle(connection);
    },
    close() {
      for (const { socket } of hub.connections) socket.close(goingAway, "The server is stopping");
    },
    cut() {
      for (const { socket } of hub.connections) socket.terminate();
    },
  };
}

/** Whether a request opens a socket at the path that has sockets. Others are handled as plain requests. */
export function asksForSocket({ url = "", headers }: IncomingMessage): boolean {
  return url.split("?")[0] === "/graphql" && headers.upgrade?.toLowerCase() === "websocket";
}

/** The first bytes after the headers of requests that open a socket. */
const heads = new WeakMap<IncomingMessage, Buffer>();

function attach(http: Server): void {
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const response = new ServerResponse(request);
    response.assignSocket(request.socket);
    response.shouldKeepAlive = false;
    response.once("finish", () => socket.end());
    socket.once("error", () => socket.destroy());
    heads.set(request, head);
    http.emit("request", request, response);
  });
}

/**
 * Checks a request that opens a socket.
 *
 * @throws `ForbiddenError` if its origin is not allowed; {@link RateLimitedError} if its address has too many
 *   sockets; `UnavailableError` if GraphQL is not served yet.
 */
function refuseUnlessAllowed(hub: Hub, request: IncomingMessage, address: string): void {
  const { origins, limits } = hub.deps;
  const { origin, host } = request.headers;
  if (origin !== undefined && !origins.allows(origin) && hostOf(origin) !== host) {
    throw refusedOrigin(origins, origin);
  }
  if (countSockets(hub, (connection) => connection.address === address) >= limits.ofAddress) {
    throw new RateLimitedError(`There are ${limits.ofAddress} sockets of this address`, {
      limit: "socketsOfAddress",
      maximum: limits.ofAddress,
    });
  }
  if (hub.grafserv === undefined) throw waitingForDatabase();
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
