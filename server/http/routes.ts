import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

import express, { type ErrorRequestHandler, type Express } from "express";

import { answerError, sendJson, stopping, waitingForDatabase } from "./answer-errors.ts";
import { type Api, readinessOf } from "./api.ts";
import { createGraphql, type Graphql, type RouteParts } from "./graphql.ts";
import { secureHeaders } from "./headers.ts";
import { pathOf } from "./request.ts";
import { currentRequest, identifyRequest, inRequest, logRequest } from "./requests.ts";

/** The paths of monitors, which ask so often that their requests are not logged. */
const monitored = new Set(["/healthz", "/readyz", "/metrics"]);

/** Creates the listener for all requests. Every request passes these steps in this order. */
export function createRoutes(parts: RouteParts): RequestListener {
  const { api, metrics } = parts;
  const { logger, graphiql, extension } = api.deps;
  const graphql = createGraphql(parts);
  const others = createOthers(parts, graphql);
  // Middleware of an extension runs before GraphQL, too.
  const isDirect = extension?.hooks?.routes === undefined;

  return (request, response) => {
    const path = pathOf(request);
    const isGraphql = path === graphqlPath;
    const current = identifyRequest(request, response);
    secureHeaders(response, graphiql && /^\/($|ruru-static\/)/.test(path));
    if (isGraphql) metrics?.watch(current, response);
    if (!monitored.has(path)) logRequest(logger, current, request, response);
    inRequest(current, () => {
      if (isGraphql && isDirect) graphql(request, response, current);
      else others(request, response);
    });
  };
}

const graphqlPath = "/graphql";

/** Creates the routes besides GraphQL, which are those of Express. */
function createOthers(parts: RouteParts, graphql: Graphql): Express {
  const { api, drain, metrics } = parts;
  const { logger, extension, trustedProxies } = api.deps;
  const app = express();
  app.disable("x-powered-by");
  app.set("trust proxy", trustedProxies);
  app.get("/healthz", (_request, response) => sendJson(response, 200, { ok: true }));
  app.get("/readyz", (_request, response) => answerReadiness(parts, response));
  if (metrics !== undefined) app.get("/metrics", metrics.answer);
  extension?.hooks?.routes?.(app);
  app.use((request, response, next) => {
    const current = currentRequest();
    if (current === undefined || pathOf(request) !== graphqlPath) next();
    else graphql(request, response, current);
  });
  app.use(async (request, response, next) => {
    if (drain.isDraining()) throw stopping();
    if (!(await answerPage(api, request, response))) next();
  });
  const onError: ErrorRequestHandler = (error, _request, response, next) => {
    if (response.headersSent) next(error);
    else answerError(logger, error, response);
  };
  app.use(onError);
  return app;
}

async function answerReadiness(
  { api, drain }: RouteParts,
  response: ServerResponse,
): Promise<void> {
  const state = drain.isDraining()
    ? { ready: false, reason: "the server is stopping" }
    : await readinessOf(api);
  sendJson(response, state.ready ? 200 : 503, state);
}

/**
 * Answers a request for GraphiQL.
 *
 * @returns whether its path belongs to GraphiQL.
 */
async function answerPage(
  api: Api,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (api.grafserv === undefined) throw waitingForDatabase();
  const answer = await api.grafserv.answer(request, response, {});
  if (answer === undefined) return false;
  response.writeHead(answer.status, answer.headers).end(answer.body);
  return true;
}
