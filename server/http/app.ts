import "../graphql/schema/environment.ts";

import { createServer, type Server } from "node:http";
import { once } from "node:events";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { GraphQLError } from "graphql";
import type { Client, PoolClient } from "pg";
import type { Logger } from "pino";
import { grafserv } from "postgraphile/grafserv/express/v4";

import { createCheckApiKey } from "../auth/api-keys.ts";
import { type Authenticate, createAuthenticate } from "../auth/authenticate.ts";
import { readBody } from "./body.ts";
import type { Timeouts } from "../postgres/timeouts.ts";
import { createDrain } from "./drain.ts";
import { NotReadyError } from "../errors/problem.ts";
import { CrmError, type ErrorCode, UnavailableError } from "../errors/classes.ts";
import { constraints } from "../model/generated/constraints.ts";
import {
  createPgService,
  createRequestPool,
  createWithPgClient,
  type RequestPool,
} from "../postgres/adaptor.ts";
import type { Extension } from "../extension.ts";
import type { TurnLimits } from "../graphql/limits/turns.ts";
import type { Limits } from "../graphql/limits/limits.ts";
import { createPreset, type PresetDeps } from "../graphql/preset.ts";
import { followCustomFields, type Lag, readSchema } from "../graphql/schema/read.ts";
import { createMakeSchema } from "../graphql/schema/slices.ts";
import { allowOrigins, closeAfterAnswer, secureHeaders, normalizeContentType } from "./headers.ts";
import {
  type Maintenance,
  type MaintenanceIntervals,
  startMaintenance,
} from "../doctor/maintenance.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { openPersistedOperations, type PersistedRules } from "../graphql/persisted/operations.ts";
import { createAddressLimiter, createUserLimiter, type RateLimits } from "./rate-limit.ts";
import { createReadiness, type Readiness } from "./readiness.ts";
import { currentRequest, identifyRequest, logRequests, withRequestId } from "./requests.ts";
import { asksForSocket, createSockets, type SocketLimits } from "./sockets.ts";
import { timeZoneSettings } from "../model/time-zone.ts";
import { migrationsFolder } from "../project.ts";
import type { TokenRules } from "../auth/token-keys.ts";
import { untilAvailable } from "../postgres/until-available.ts";

export interface AppDeps {
  /** Where the database is, with the login of `crm_server`. */
  serverUrl: string;
  /** The most connections that are open at once. */
  poolSize: number;
  /** Whether statements are prepared, once for each connection; yes if not given. */
  preparedStatements?: boolean | undefined;
  /** Which tokens are believed. */
  tokenRules: TokenRules;
  logger: Logger;
  /** What a bearer must present to read `/metrics`; absent, nothing is measured. */
  metricsToken?: string | undefined;
  /** What one request may ask for. */
  limits: Limits;
  /** Which operations are heavy, and how many of them run at once. */
  heavy: TurnLimits;
  /** How many requests there may be. */
  rateLimits: RateLimits;
  /** How many sockets there may be, and what one of them may do. */
  sockets: SocketLimits;
  /** How many proxies stand before the server, each of which adds to `X-Forwarded-For`. */
  trustedProxies: number;
  /** How long the parts of a request may take. */
  timeouts: Timeouts;
  /** A token that GraphiQL sends by itself; for development only. */
  graphiqlToken?: string | undefined;
  /** Whether GraphiQL is served. */
  graphiql: boolean;
  /** Whether the schema may be asked for, and is hinted at where a field is misspelt. */
  introspection: boolean;
  /** Where persisted operations are, and whether nothing else is served; absent, there are none. */
  persisted?: PersistedRules | undefined;
  /** Whether queries may be sent by GET too. */
  queriesByGet: boolean;
  /** The origins whose pages may ask from a browser. */
  allowedOrigins: readonly string[];
  /** How long requests may go on after `close`, in milliseconds. */
  shutdownGrace: number;
  /** How often the audit log is looked after; absent, somebody else does. */
  maintenance?: MaintenanceIntervals | undefined;
  /** How often custom fields are looked for, in milliseconds; absent, those of the start stay. */
  customFieldsInterval?: number | undefined;
  /** What an application adds. */
  extension?: Extension | undefined;
  /** What the database needs before its schema is read; done again when it fails. */
  prepare?: (() => Promise<void>) | undefined;
}

export interface App {
  /** Begins to listen; until `ready`, GraphQL is answered with 503. Port 0 takes a free one. */
  listen(port: number, host: string): Promise<Server>;
  /** Resolves once GraphQL is served; rejects when it never will be, by what waiting does not cure. */
  readonly ready: Promise<void>;
  /** Stops: new requests are refused, what runs finishes, then the database is let go. */
  close(): Promise<void>;
}

/**
 * Builds the server. It reads the schema from the database as soon as that answers, and waits for it
 * with growing pauses.
 */
export function createApp(deps: AppDeps): App {
  const { logger, timeouts, extension = {} } = deps;
  const database = openPool(deps);
  const { pool } = database;
  const checkApiKey = createCheckApiKey(createWithPgClient(pool, deps.preparedStatements));
  const stopping = new AbortController();
  const metrics =
    deps.metricsToken === undefined ? undefined : createMetrics(pool, deps.metricsToken);

  const app = createExpress();
  const server = createServer({
    requestTimeout: timeouts.request,
    headersTimeout: timeouts.request,
    connectionsCheckingInterval: Math.min(1000, timeouts.request),
    shouldUpgradeCallback: asksForSocket,
    keepAliveTimeout: timeouts.keepAlive,
  });
  const authenticate = createAuthenticate(
    deps.tokenRules,
    (reason) => {
      logger.info({ requestId: currentRequest()?.id, reason }, "a token was refused");
    },
    async (key) => {
      if (graphql === undefined) throw new UnavailableError(waiting);
      return checkApiKey(key);
    },
  );
  const addressLimiter = createAddressLimiter(deps.rateLimits);
  const userLimiter = createUserLimiter(deps.rateLimits);
  const sockets = createSockets({
    limits: deps.sockets,
    messageBytes: deps.limits.bodyBytes,
    authenticate,
    addressLimiter,
    userLimiter,
    allowedOrigins: deps.allowedOrigins,
    logger,
    metrics,
  });
  const drain = createDrain(server, sockets);
  server.on("request", app);
  sockets.attach(server);

  const migrationsCurrent = createReadiness(pool, migrationsFolder);
  let graphql: RequestHandler | undefined;
  let release: (() => Promise<void>) | undefined;
  let maintenance: Maintenance | undefined;
  let lag: Readonly<Lag> = { since: undefined };
  const lagSeconds = () => (lag.since === undefined ? 0 : (Date.now() - lag.since) / 1000);
  metrics?.measureLag(lagSeconds);
  let waitingFor = "the schema has not been read yet";
  const readiness = async (): Promise<Readiness> => {
    if (drain.isDraining()) return { ready: false, reason: "the server is stopping" };
    if (graphql === undefined) return { ready: false, reason: waitingFor };
    const state = await migrationsCurrent();
    const seconds = Math.floor(lagSeconds());
    return seconds > 0 ? { ...state, customFieldsBehindSeconds: seconds } : state;
  };

  app.use(identifyRequest);
  app.use(secureHeaders((path) => deps.graphiql && /^\/($|ruru-static\/)/.test(path)));
  app.get("/healthz", (_request, response) => void response.json({ ok: true }));
  app.get("/readyz", async (_request, response) => {
    const state = await readiness();
    response.status(state.ready ? 200 : 503).json(state);
  });
  if (metrics !== undefined) {
    app.get("/metrics", metrics.answer);
    app.use("/graphql", metrics.watch);
  }
  app.use(logRequests(logger));
  extension.hooks?.routes?.(app);
  app.use((_request, _response, next) => {
    if (drain.isDraining()) throw new UnavailableError("The server is stopping; please try again");
    next();
  });
  app.set("trust proxy", deps.trustedProxies);
  app.use(
    "/graphql",
    allowOrigins(deps.allowedOrigins),
    addressLimiter.limitRequest,
    sockets.accept,
    identify(authenticate),
    userLimiter.limitRequest,
    noticeDeparture,
    normalizeContentType,
    readBody(deps.limits),
  );
  app.use((request, response, next) => {
    if (graphql === undefined) {
      throw new UnavailableError(waiting);
    }
    void graphql(request, response, next);
  });
  app.use(answerErrors(logger, metrics));

  const { persisted } = deps;
  const operations = persisted && openPersistedOperations(persisted.folder, logger);

  async function serveGraphql(): Promise<void> {
    await deps.prepare?.();
    // Whoever migrates may be somebody else, and not done yet.
    const migrated = await migrationsCurrent();
    if (!migrated.ready) throw pool.refusal ?? new NotReadyError(migrated.reason);
    const preset = (schemas: string[]): GraphileConfig.Preset => ({
      extends: [createPreset(presetDeps([...schemas, ...(extension.schemas ?? [])]))],
      plugins: [...((extension.plugins ?? []) as GraphileConfig.Plugin[])],
    });
    const presetDeps = (schemas: string[]): PresetDeps => ({
      pgService: createPgService({ pool, schemas, prepared: deps.preparedStatements }),
      constraints,
      logger,
      metrics,
      limits: deps.limits,
      heavy: deps.heavy,
      timeouts,
      graphiql: deps.graphiql,
      graphiqlToken: deps.graphiqlToken,
      introspection: deps.introspection,
      persisted: { operations, only: persisted?.only ?? false },
      queriesByGet: deps.queriesByGet,
    });
    const makeSchema = createMakeSchema();
    const current = await readSchema({ pool, preset, makeSchema, logger });
    const api = grafserv({ preset: preset(["crm"]), schema: current.schema });
    await api.ready();
    const handler = createExpress();
    await api.addTo(handler, null, false); // sockets are ours
    sockets.serve(api);
    release = async () => api.release();
    graphql = handler;
    if (stopping.signal.aborted) return;
    if (deps.customFieldsInterval !== undefined) {
      lag = followCustomFields({
        interval: deps.customFieldsInterval,
        pool,
        preset,
        makeSchema,
        logger,
        served: current,
        serve: (schema) => api.setSchema(schema),
        signal: stopping.signal,
      });
    }
    if (deps.maintenance !== undefined) {
      maintenance = startMaintenance(pool, deps.maintenance, logger);
    }
  }

  const ready = untilAvailable(
    serveGraphql,
    (error) => {
      waitingFor = error instanceof NotReadyError ? error.message : "the database does not answer";
      logger.warn({ err: error }, "waiting for the database");
    },
    stopping.signal,
  ).then(() => extension.hooks?.ready?.());
  ready.catch(() => undefined); // the caller decides when to look

  return {
    ready,
    async listen(port, host) {
      server.listen(port, host);
      await once(server, "listening");
      return server;
    },
    async close() {
      const deadline = Date.now() + deps.shutdownGrace;
      stopping.abort();
      await drain.finish(deps.shutdownGrace);
      await ready.catch(() => undefined);
      maintenance?.stop();
      await release?.();
      await extension.hooks?.stopped?.();
      await database.end(deadline);
    },
  };
}

const waiting = "The server is waiting for its database; please try again";

interface OwnPool {
  pool: RequestPool;
  /** Ends it; connections that are in use at the deadline are cut. */
  end(deadline: number): Promise<void>;
}

function openPool({ serverUrl, poolSize, timeouts, logger }: AppDeps): OwnPool {
  const pool = createRequestPool(serverUrl, poolSize, timeouts);
  const clients = new Set<PoolClient>();
  const lost = (err: Error) => logger.warn({ err }, "a connection to the database was lost");
  pool.on("error", () => undefined); // each connection reports its own
  pool.on("connect", (client) => {
    // The pool listens to a connection only while it is idle; an error nobody listens to ends Node.
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

function createExpress(): Express {
  const app = express();
  app.disable("x-powered-by");
  return app;
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

/** Refuses a request without a good token before GraphQL sees it, introspection included. */
function identify(authenticate: Authenticate): RequestHandler {
  return async (request, _response, next) => {
    const settings = await authenticate(request.headers.authorization);
    Object.assign(request.current ?? {}, { user: settings["crm.user_id"], role: settings.role });
    request.pgSettings = { ...settings, ...timeZoneSettings(request.headers["time-zone"]) };
    next();
  };
}

/** The HTTP status of what is answered before GraphQL. */
const statuses: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  OVERLOADED: 503,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  TIMEOUT: 503,
  UNAVAILABLE: 503,
  VALIDATION_ERROR: 400,
};

/** What fails before or beside GraphQL is answered in the shape of GraphQL too. */
function answerErrors(logger: Logger, metrics?: Metrics): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const known = error instanceof CrmError;
    const requestId = currentRequest()?.id;
    if (!known) logger.error({ requestId, err: error }, "a request failed unexpectedly");
    else if (error.cause !== undefined) logger.warn({ requestId, err: error.cause }, error.message);
    const answer = known
      ? new GraphQLError(error.message, { extensions: error.extensions })
      : new GraphQLError("Something went wrong here", { extensions: { code: "INTERNAL" } });
    metrics?.noteError(answer.extensions.code);
    const status = known ? statuses[error.code] : undefined;
    if (status === 503) response.setHeader("retry-after", "1");
    if (status === 413) closeAfterAnswer(response); // spares us the rest
    response.status(status ?? 500).json({ errors: [withRequestId(answer)] });
  };
}
