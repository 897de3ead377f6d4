import type { Server, ServerResponse } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * For how long no request may have arrived before the port is closed, in milliseconds. A request that
 * is on its way when its connection is closed is lost, so connections are closed after an answer.
 */
const quietFor = 250;

/** For how long requests that go on arriving put off the end, in milliseconds. */
const patience = 2000;

/** The sockets of a server, as far as stopping is about them. */
export interface DrainableSockets {
  /** How many operations run. */
  readonly running: () => number;
  /** Refuses new operations, and closes each socket when it has none left. */
  drain(): void;
  /** Closes all sockets, whatever runs. */
  close(): void;
  /** Cuts those whose clients do not take part in closing. */
  cut(): void;
}

/** The way for an HTTP server to stop without losing a request. */
export interface Drain {
  /** Whether the server is stopping, so that new requests are to be refused. */
  readonly isDraining: () => boolean;
  /**
   * Waits for the requests that run, closes each connection after its answer, then closes the port.
   * Sockets are closed when their operations are done.
   *
   * @param grace how long a request may go on, in milliseconds; what still runs then is cut.
   */
  finish(grace: number): Promise<void>;
}

/**
 * Watches the requests of a server; make it before anything else listens to them.
 *
 * @param server listening or not.
 * @param sockets which are no longer the server's to close.
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
