import type { Express, RequestHandler } from "express";

import type { Authenticate } from "../auth/authenticate.ts";
import { timeZoneSettings } from "../model/time-zone.ts";
import { answerErrors, stopping, waitingForDatabase } from "./answer-errors.ts";
import { type Api, readinessOf } from "./api.ts";
import { readBody } from "./body.ts";
import { compressResponses } from "./compression.ts";
import type { Drain } from "./drain.ts";
import { allowOrigins, createExpress, normalizeContentType, secureHeaders } from "./headers.ts";
import type { Metrics } from "./metrics.ts";
import type { Origins } from "./origins.ts";
import type { RateLimiter } from "./rate-limit.ts";
import { identifyRequest, logRequests, noteUser } from "./requests.ts";
import type { Sockets } from "./sockets.ts";

/** The parts of a server that requests pass through. */
export interface RouteParts {
  readonly api: Api;
  readonly drain: Drain;
  readonly sockets: Sockets;
  readonly metrics: Metrics | undefined;
  readonly origins: Origins;
  readonly authenticate: Authenticate;
  readonly addressLimiter: RateLimiter;
  readonly userLimiter: RateLimiter;
}

/** Creates the routes of a server. Every request passes them in this order. */
export function createRoutes(parts: RouteParts): Express {
  const { api, drain, metrics } = parts;
  const { deps } = api;
  const app = createExpress();
  app.use(identifyRequest);
  app.use(secureHeaders((path) => deps.graphiql && /^\/($|ruru-static\/)/.test(path)));
  app.get("/healthz", (_request, response) => void response.json({ ok: true }));
  app.get("/readyz", answerReadiness(parts));
  if (metrics !== undefined) {
    app.get("/metrics", metrics.answer);
    app.use("/graphql", metrics.watch);
  }
  app.use(logRequests(deps.logger));
  deps.extension?.hooks?.routes?.(app);
  // Before any error: without these headers, a browser shows the error to no page.
  app.use("/graphql", allowOrigins(parts.origins));
  if (deps.compression) app.use("/graphql", compressResponses());
  app.use((_request, _response, next) => {
    if (drain.isDraining()) throw stopping();
    next();
  });
  app.set("trust proxy", deps.trustedProxies);
  app.use("/graphql", ...beforeGraphql(parts));
  app.use((request, response, next) => {
    if (api.handler === undefined) throw waitingForDatabase();
    void api.handler(request, response, next);
  });
  app.use(answerErrors(deps.logger, metrics));
  return app;
}

function answerReadiness({ api, drain }: RouteParts): RequestHandler {
  return async (_request, response) => {
    const state = drain.isDraining()
      ? { ready: false, reason: "the server is stopping" }
      : await readinessOf(api);
    response.status(state.ready ? 200 : 503).json(state);
  };
}

/** The steps of a request to `/graphql` before GraphQL. */
function beforeGraphql(parts: RouteParts): RequestHandler[] {
  const { api, sockets, authenticate, addressLimiter, userLimiter } = parts;
  return [
    addressLimiter.limitRequest,
    sockets.accept,
    identify(authenticate),
    userLimiter.limitRequest,
    noticeDeparture,
    normalizeContentType,
    readBody(api.deps.limits),
  ];
}

/** Refuses a request without a valid token before GraphQL sees it, including introspection. */
function identify(authenticate: Authenticate): RequestHandler {
  return async (request, _response, next) => {
    const settings = await authenticate(request.headers.authorization);
    noteUser(request.current, settings);
    request.pgSettings = { ...settings, ...timeZoneSettings(request.headers["time-zone"]) };
    next();
  };
}

/** Aborts `departure` if the client leaves before the response, which cancels its statement. */
const noticeDeparture: RequestHandler = (request, response, next) => {
  const departure = new AbortController();
  request.departure = departure.signal;
  response.once("close", () => {
    if (!response.writableFinished) departure.abort();
  });
  next();
};
