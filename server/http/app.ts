import "../graphql/schema/environment.ts";

import { once } from "node:events";
import { createServer, type Server } from "node:http";

import { createCheckApiKey } from "../auth/api-keys.ts";
import { type Authenticate, createAuthenticate } from "../auth/authenticate.ts";
import { createWithPgClient } from "../postgres/adaptor.ts";
import type { Timeouts } from "../postgres/timeouts.ts";
import { waitingForDatabase } from "./answer-errors.ts";
import { type Api, createApi, startApi } from "./api.ts";
import type { AppDeps } from "./app-deps.ts";
import { createDrain } from "./drain.ts";
import { createMetrics } from "./metrics.ts";
import { createOrigins } from "./origins.ts";
import { openPool } from "./own-pool.ts";
import { createAddressLimiter, createUserLimiter } from "./rate-limit.ts";
import { currentRequest } from "./requests.ts";
import { createRoutes } from "./routes.ts";
import { asksForSocket, createSockets } from "./sockets.ts";

export type { AppDeps } from "./app-deps.ts";

/** A server. */
export interface App {
  /** Starts to listen. Until `ready`, GraphQL is answered with 503. Port 0 chooses a free port. */
  listen(port: number, host: string): Promise<Server>;
  /** Resolves once GraphQL is served. Rejects by an error that waiting does not cure. */
  readonly ready: Promise<void>;
  /** Stops: refuses new requests, lets running ones finish, then closes the connections to the database. */
  close(): Promise<void>;
}

/**
 * Creates a server. It reads the schema as soon as the database answers, and waits for the database with
 * growing pauses.
 *
 * @throws {Problem} if persisted operations cannot be read.
 */
export function createApp(deps: AppDeps): App {
  const { metricsToken, limits, logger, shutdownGrace } = deps;
  const hooks = deps.extension?.hooks;
  const database = openPool(deps);
  const metrics =
    metricsToken === undefined ? undefined : createMetrics(database.pool, metricsToken);
  const api = createApi(deps, database.pool, metrics);
  const identity = {
    authenticate: createIdentification(api),
    addressLimiter: createAddressLimiter(deps.rateLimits),
    userLimiter: createUserLimiter(deps.rateLimits),
  };
  const origins = createOrigins(deps);
  const sockets = createSockets({
    ...{ ...identity, limits: deps.sockets, messageBytes: limits.bodyBytes },
    ...{ origins, logger, metrics },
  });
  const server = createHttpServer(deps.timeouts);
  const drain = createDrain(server, sockets);
  server.on("request", createRoutes({ ...identity, api, drain, sockets, metrics, origins }));
  sockets.attach(server);

  const stopping = new AbortController();
  const ready = startApi(api, sockets, stopping.signal).then(() => hooks?.ready?.());
  ready.catch(() => undefined); // the caller handles it

  return {
    ready,
    async listen(port, host) {
      server.listen(port, host);
      await once(server, "listening");
      return server;
    },
    async close() {
      const deadline = Date.now() + shutdownGrace;
      stopping.abort();
      await drain.finish(shutdownGrace);
      await ready.catch(() => undefined);
      api.maintenance?.stop();
      await api.release?.();
      await hooks?.stopped?.();
      await database.end(deadline);
    },
  };
}

function createHttpServer(timeouts: Timeouts): Server {
  return createServer({
    requestTimeout: timeouts.request,
    headersTimeout: timeouts.request,
    connectionsCheckingInterval: Math.min(1000, timeouts.request),
    shouldUpgradeCallback: asksForSocket,
    keepAliveTimeout: timeouts.keepAlive,
  });
}

/** Checks tokens and API keys. API keys are in the database, so they wait until it answers. */
function createIdentification(api: Api): Authenticate {
  const { deps, pool } = api;
  const checkApiKey = createCheckApiKey(createWithPgClient(pool, deps.preparedStatements));
  return createAuthenticate(
    deps.tokenRules,
    (reason) => {
      deps.logger.info({ requestId: currentRequest()?.id, reason }, "a token was refused");
    },
    async (key) => {
      if (api.grafserv === undefined) throw waitingForDatabase();
      return checkApiKey(key);
    },
  );
}
