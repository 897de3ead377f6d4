import type { IncomingMessage, ServerResponse } from "node:http";

import type { Authenticate } from "../auth/authenticate.ts";
import type { CompiledAnswer, CompiledRequest } from "../graphql/compiled/answer.ts";
import { timeZoneSettings } from "../model/time-zone.ts";
import { answerError, stopping, waitingForDatabase } from "./answer-errors.ts";
import type { Api } from "./api.ts";
import { type Body, parametersOf, readBody } from "./body.ts";
import { sendCompressed } from "./compression.ts";
import type { Drain } from "./drain.ts";
import type { Answer } from "./grafserv.ts";
import { allowOrigin, mediaTypeOf } from "./headers.ts";
import type { Metrics } from "./metrics.ts";
import type { Origins } from "./origins.ts";
import { keyOfAddress, type RateLimiter } from "./rate-limit.ts";
import { addressOf } from "./request.ts";
import { type CurrentRequest, noteUser } from "./requests.ts";
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

/** Answers a request to `/graphql`. */
export type Graphql = (
  request: IncomingMessage,
  response: ServerResponse,
  current: CurrentRequest,
) => void;

/** Creates the endpoint `/graphql`. It does without Express, whose router takes time. */
export function createGraphql(parts: RouteParts): Graphql {
  const { api, drain, sockets, origins, authenticate, addressLimiter, userLimiter } = parts;
  const { limits, logger, trustedProxies, compression } = api.deps;

  /** Every request passes these steps in this order. */
  async function answer(...[request, response, current]: Parameters<Graphql>): Promise<void> {
    // Before any error: without these headers, a browser shows the error to no page.
    if (allowOrigin(origins, request, response)) return;
    if (drain.isDraining()) throw stopping();
    const address = keyOfAddress(addressOf(request, trustedProxies));
    await addressLimiter.count(address, response);
    if (sockets.accept(request, response, address)) return;
    // Without a valid token, GraphQL does not see the request, so there is no introspection either.
    const identity = await authenticate(request.headers.authorization);
    noteUser(current, identity);
    const pgSettings = { ...identity, ...timeZoneSettings(request.headers["time-zone"]) };
    await userLimiter.count(pgSettings["crm.user_id"], response);
    const departure = departureOf(response);
    const body =
      request.method === "POST" ? await readBody(request, pgSettings, limits) : undefined;
    const known = { pgSettings, departure, current };
    send(request, response, await execute(request, response, body, known));
  }

  async function execute(
    request: IncomingMessage,
    response: ServerResponse,
    body: Body | undefined,
    known: CompiledRequest,
  ): Promise<Answer> {
    if (api.grafserv === undefined) throw waitingForDatabase();
    const accept = mediaTypeOf(request);
    // A body beyond the usual limit may be that of a bulk mutation only, which is not compiled.
    const isUsual = body !== undefined && body.size <= limits.bodyBytes;
    const parameters = isUsual && api.answerCompiled ? parametersOf(body) : undefined;
    if (accept !== undefined && parameters !== undefined) {
      const compiled = await api.answerCompiled?.(parameters, known);
      if (compiled !== undefined) return inForm(accept, compiled);
    }
    const { pgSettings, departure, failure } = known;
    Object.assign(request, { pgSettings, departure, failure, bodySize: body?.size });
    const answer = await api.grafserv.answer(request, response, { accept, body: body?.content });
    if (answer === undefined) throw new Error("GraphQL is served at another path");
    return answer;
  }

  function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
    const { status, headers, body } = answer;
    response.statusCode = status;
    for (const name in headers) response.setHeader(name, headers[name] ?? "");
    if (compression && body !== undefined) sendCompressed(request, response, body);
    else response.end(body);
  }

  return (request, response, current) => {
    answer(request, response, current).catch((error: unknown) => {
      answerError(logger, error, response);
    });
  };
}

function inForm(accept: string, { status, body }: CompiledAnswer): Answer {
  const buffer = Buffer.isBuffer(body) ? body : Buffer.from(body);
  const headers: Record<string, string> = {
    "content-type": accept,
    "content-length": String(buffer.length),
    ...(status === 503 && { "retry-after": "1" }),
  };
  return { status, headers, body: buffer };
}

/** The reason of an aborted operation. One for all: creating an error for each takes time. */
const left = new Error("The client disconnected before the response");

/** Returns a signal that is aborted if the client leaves before the response, which cancels its statement. */
function departureOf(response: ServerResponse): AbortSignal {
  const departure = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) departure.abort(left);
  });
  return departure.signal;
}
