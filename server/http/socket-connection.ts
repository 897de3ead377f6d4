import type { IncomingMessage } from "node:http";

import type { WebSocket } from "ws";

import { closeIfIdle, type Connection, type Hub } from "./socket-hub.ts";
import { closeFailed, identify, limitUnidentified } from "./socket-identity.ts";
import { abandonCancelled, type Protocol } from "./socket-operations.ts";

/** While a client leaves more bytes than this unread, nothing more is read from it. */
const maxUnread = 1_000_000;

/** Starts the protocol on a new socket. */
export function openConnection(
  hub: Hub,
  protocol: Protocol,
  socket: WebSocket,
  request: IncomingMessage,
  address: string,
): void {
  const { logger, metrics } = hub.deps;
  const connection = createConnection(socket, request, address);
  hub.connections.add(connection);
  metrics?.countSockets(1);
  const began = Date.now();
  const stopKeepingAlive = keepAlive(hub, connection);
  limitUnidentified(connection);

  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (data) => send(socket, data),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (take) => {
        socket.on("message", (data: Buffer) => receive(hub, connection, data, take));
      },
    },
    connection,
  );
  socket.on("error", (error) => logger.info({ reason: error.message }, "a socket failed"));
  socket.once("close", (code, reason) => {
    stopKeepingAlive();
    hub.connections.delete(connection);
    metrics?.countSockets(-1);
    for (const { departure } of connection.operations.values()) departure.abort();
    void closed(code, reason.toString());
    logger.info({ code, milliseconds: Date.now() - began }, "a socket was closed");
  });
  if (hub.draining) closeIfIdle(connection);
}

function createConnection(
  socket: WebSocket,
  request: IncomingMessage,
  address: string,
): Connection {
  return {
    socket,
    request,
    address,
    operations: new Map(),
    authorization: undefined,
    timeZone: undefined,
    user: undefined,
    context: undefined,
  };
}

/** Sends a message, and reads on if the client has read enough. */
async function send(socket: WebSocket, data: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(data, (error) => {
      if (socket.isPaused && socket.bufferedAmount < maxUnread) socket.resume();
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Passes a message to the protocol. */
function receive(
  hub: Hub,
  connection: Connection,
  data: Buffer,
  take: (data: string) => Promise<void>,
): void {
  const { socket } = connection;
  if (socket.bufferedAmount > maxUnread) socket.pause();
  const taken = take(data.toString());
  abandonCancelled(connection);
  taken
    .catch((error: unknown) => {
      if (socket.readyState === socket.OPEN) closeFailed(hub, connection, error);
    })
    .finally(() => {
      if (hub.draining) closeIfIdle(connection);
    });
}

/**
 * Ends a socket whose client no longer answers, or whose token is no longer valid.
 *
 * @returns a function that stops this.
 */
function keepAlive(hub: Hub, connection: Connection): () => void {
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
    if (connection.context !== undefined) void identify(hub, connection);
  }, hub.deps.limits.keepalive);
  return () => clearInterval(timer);
}
