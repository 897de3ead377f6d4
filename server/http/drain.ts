import type { Server, ServerResponse } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * How long no request must have arrived before the port is closed, in milliseconds. A request in transit is
 * lost if its connection is closed, so connections are closed after a response.
 */
const quietFor = 250;

/** How long arriving requests can delay the closing of the port, in milliseconds. */
const patience = 2000;

/** The WebSockets of a server, for stopping it. */
export interface DrainableSockets {
  /** Returns the number of running operations. */
  readonly running: () => number;
  /** Refuses new operations, and closes each socket once it has no running operation. */
  drain(): void;
  /** Closes all sockets, even those with running operations. */
  close(): void;
  /** Terminates the sockets whose clients have not answered the close. */
  cut(): void;
}

/** Stops an HTTP server without losing a request. */
export interface Drain {
  /** Returns whether the server is stopping, so that new requests must be refused. */
  readonly isDraining: () => boolean;
  /**
   * Waits for running requests, closes each connection after its response, then closes the port. Sockets are
   * closed once their operations have completed.
   *
   * @param grace how long requests may run, in milliseconds; after that, their connections are closed.
   */
  finish(grace: number): Promise<void>;
}

/**
 * Creates the drain of a server. It must be created before other listeners for requests.
 *
 * @param server the server, listening or not.
 * @param sockets the WebSockets, which the server itself does not close.
 */
export function createDrain(server: Server, sockets: DrainableSockets): Drain {
  const running = new Set<ServerResponse>();
  let draining = false;
  let lastArrival = 0;

  server.on("request", (_request, response) => {
    running.add(response);
    lastArrival = Date.now();
    if (draining) closeAfter(response);
    response.once("close", () => running.delete(response));
  });

  return {
    isDraining: () => draining,

    async finish(grace) {
      const begin = Date.now();
      draining = true;
      lastArrival = begin;
      for (const response of running) closeAfter(response);
      sockets.drain();
      if (!server.listening) return;

      const isQuiet = () => Date.now() - lastArrival >= quietFor || Date.now() - begin >= patience;
      const isBusy = () => running.size > 0 || sockets.running() > 0;
      while (Date.now() - begin < grace && (isBusy() || !isQuiet())) await sleep(10);

      const closed = once(server, "close");
      sockets.close();
      server.close();
      server.closeIdleConnections();
      const rest = Math.max(grace - (Date.now() - begin), quietFor);
      const cut = setTimeout(() => {
        server.closeAllConnections();
        sockets.cut();
      }, rest);
      await closed;
      clearTimeout(cut);
    },
  };
}

function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}
