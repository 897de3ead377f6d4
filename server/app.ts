import "./graphql/environment.ts";

import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import { GraphQLError } from "graphql";
import type { Logger } from "pino";
import { pinoHttp } from "pino-http";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/express/v4";

import { createAuthenticate } from "./auth.ts";
import type { Timeouts } from "./config.ts";
import { CrmError } from "./errors.ts";
import { constraints } from "./generated/constraints.ts";
import { createPgService, createRequestPool } from "./graphql/adaptor.ts";
import type { Limits } from "./graphql/limits/limits.ts";
import { createPreset } from "./graphql/preset.ts";
import { allowOrigins, secureHeaders } from "./http.ts";
import { limitAddress, limitUser, type RateLimits } from "./rateLimit.ts";
import { createReadiness } from "./readiness.ts";

const migrationsFolder = join(import.meta.dirname, "../db/migrations");

export interface AppDeps {
  /** Where the database is, with the login of `crm_server`. */
  serverUrl: string;
  /** The most connections that are open at once. */
  poolSize: number;
  /** The secret that tokens are signed with, at least 32 bytes. */
  jwtSecret: string;
  logger: Logger;
  /** What one request may ask for. */
  limits: Limits;
  /** How many requests there may be. */
  rateLimits: RateLimits;
  /** How many proxies stand before the server, each of which adds to `X-Forwarded-For`. */
  trustedProxies: number;
  /** How long the parts of a request may take. */
  timeouts: Timeouts;
  /** A token that GraphiQL sends by itself; for development only. */
  graphiqlToken?: string;
  /** Whether GraphiQL is served. */
  graphiql: boolean;
  /** Whether the schema may be asked for, and is hinted at where a field is misspelt. */
  introspection: boolean;
  /** The origins whose pages may ask from a browser. */
  allowedOrigins: readonly string[];
}

export interface App {
  /** Begins to serve. Port 0 takes a free one. */
  listen(port: number, host: string): Promise<Server>;
  /** Stops: new connections are refused, what runs finishes, then the database is let go. */
  close(): Promise<void>;
}

/**
 * Builds the server. The schema is read from the database first, so an app that exists can answer.
 *
 * @throws if the database cannot be reached
 */
export async function createApp(deps: AppDeps): Promise<App> {
  const { logger, timeouts } = deps;
  const pool = createRequestPool(deps.serverUrl, deps.poolSize, timeouts);
  pool.on("error", (err) => logger.warn({ err }, "an idle connection to the database was lost"));

  const instance = postgraphile(
    createPreset({
      pgService: createPgService({ pool, schemas: ["crm"] }),
      constraints,
      logger,
      limits: deps.limits,
      timeouts,
      graphiql: deps.graphiql,
      graphiqlToken: deps.graphiqlToken,
      introspection: deps.introspection,
    }),
  );
  const api = instance.createServ(grafserv);
  try {
    await instance.getSchema();
    await api.ready();
  } catch (error) {
    await instance.release();
    await pool.end();
    throw error;
  }

  const readiness = createReadiness(pool, migrationsFolder);
  const app = express();
  app.disable("x-powered-by");
  app.use(secureHeaders((path) => deps.graphiql && /^\/($|ruru-static\/)/.test(path)));
  app.get("/healthz", (_request, response) => void response.json({ ok: true }));
  app.get("/readyz", async (_request, response) => {
    const state = await readiness();
    response.status(state.ready ? 200 : 503).json(state);
  });
  app.use(logRequests(logger));
  app.set("trust proxy", deps.trustedProxies);
  app.use(
    "/graphql",
    allowOrigins(deps.allowedOrigins),
    limitAddress(deps.rateLimits),
    authenticate(deps.jwtSecret),
    limitUser(deps.rateLimits),
    noticeDeparture,
  );

  const server = createServer(
    {
      requestTimeout: timeouts.request,
      headersTimeout: timeouts.request,
      connectionsCheckingInterval: Math.min(1000, timeouts.request),
    },
    app,
  );
  let closing = false;
  server.on("request", (_request, response) => {
    // A connection that a client keeps alive would hold up the end until it is idle for seconds.
    response.once("close", () => {
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
  });
  await api.addTo(app, server);
  app.use(answerErrors(logger));

  return {
    async listen(port, host) {
      server.listen(port, host);
      await once(server, "listening");
      return server;
    },
    async close() {
      closing = true;
      if (server.listening) {
        const closed = once(server, "close");
        server.close();
        server.closeIdleConnections();
        await closed;
      }
      await instance.release();
      await pool.end();
    },
  };
}

/** Lets the database know when nobody waits for an answer any more. */
const noticeDeparture: RequestHandler = (request, response, next) => {
  const departure = new AbortController();
  request.departure = departure.signal;
  response.once("close", () => {
    if (!response.writableFinished) departure.abort();
  });
  next();
};

/**
 * One line for each request. Headers, and with them tokens, stay out; so do bodies, and with them
 * variables.
 */
function logRequests(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    serializers: {
      req: ({ id, method, url }: { id: unknown; method: string; url: string }) => ({
        id,
        method,
        path: url.split("?")[0],
      }),
      res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
    },
  });
}

/** Refuses a request without a good token before GraphQL sees it, introspection included. */
function authenticate(jwtSecret: string): RequestHandler {
  const check = createAuthenticate(jwtSecret);
  return async (request, _response, next) => {
    request.pgSettings = await check(request.headers.authorization);
    next();
  };
}

/** What fails before or beside GraphQL is answered in the shape of GraphQL too. */
function answerErrors(logger: Logger): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const known = error instanceof CrmError;
    if (!known) logger.error({ err: error }, "a request failed unexpectedly");
    const answer = known
      ? new GraphQLError(error.message, { extensions: error.extensions })
      : new GraphQLError("Something went wrong here", { extensions: { code: "INTERNAL" } });
    response
      .status(known && error.code === "UNAUTHENTICATED" ? 401 : 500)
      .json({ errors: [answer] });
  };
}
