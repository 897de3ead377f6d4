import type { Client, PoolClient } from "pg";

import { createRequestPool, type RequestPool } from "../postgres/request-pool.ts";
import type { AppDeps } from "./app-deps.ts";

/** The pool of one server. */
export interface OwnPool {
  readonly pool: RequestPool;
  /** Ends the pool. Connections that are in use at the deadline are closed. */
  end(deadline: number): Promise<void>;
}

/** Creates the pool of a server, and logs lost connections. */
export function openPool({ serverUrl, poolSize, timeouts, logger }: AppDeps): OwnPool {
  const pool = createRequestPool(serverUrl, poolSize, timeouts);
  const clients = new Set<PoolClient>();
  const lost = (err: Error) => logger.warn({ err }, "a connection to the database was lost");
  pool.on("error", () => undefined); // each connection logs its own errors
  pool.on("connect", (client) => {
    // The pool only listens to idle connections, and an error without a listener ends Node.
    client.on("error", lost);
    clients.add(client);
  });
  pool.on("remove", (client) => clients.delete(client));

  return {
    pool,
    async end(deadline) {
      const cut = setTimeout(
        () => {
          for (const client of clients) void (client as unknown as Client).end();
        },
        Math.max(deadline - Date.now(), 0),
      );
      await pool.end();
      clearTimeout(cut);
    },
  };
}
