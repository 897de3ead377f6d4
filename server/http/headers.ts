import type { ServerResponse } from "node:http";

import type { RequestHandler } from "express";

/** The page of GraphiQL has its scripts and styles in itself, and fetches from its server only. */
const policyOfPage = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Everything else is data. */
const policyOfData = "default-src 'none'; frame-ancestors 'none'";

/**
 * Sets the headers that every answer carries.
 *
 * @param isPage whether a path leads to the page of GraphiQL, or to what belongs to it.
 */
export function secureHeaders(isPage: (path: string) => boolean): RequestHandler {
  return (request, response, next) => {
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("referrer-policy", "no-referrer");
    response.setHeader(
      "content-security-policy",
      isPage(request.path) ? policyOfPage : policyOfData,
    );
    next();
  };
}

/**
 * Lets pages of other origins ask, and answers their browsers' question whether they may. Without an
 * origin that is allowed, nothing is said and a browser refuses.
 *
 * @param origins such as `https://crm.example`.
 */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const allowed = new Set(origins);
  return (request, response, next) => {
    const { origin } = request.headers;
    if (allowed.size > 0) response.vary("origin");
    if (origin === undefined || !allowed.has(origin)) {
      next();
      return;
    }
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader(
      "access-control-expose-headers",
      "ratelimit, ratelimit-policy, retry-after, x-request-id",
    );
    if (request.method !== "OPTIONS") {
      next();
      return;
    }
    response.setHeader("access-control-allow-methods", "GET, POST");
    response.setHeader(
      "access-control-allow-headers",
      "authorization, content-type, time-zone, x-request-id",
    );
    response.setHeader("access-control-max-age", "600");
    response.status(204).end();
  };
}

/** How an answer of GraphQL can be put, the form that every client knows first. */
const forms = ["application/json;charset=utf-8", "application/graphql-response+json;charset=utf-8"];

/** What is accepted by who takes neither: a type that there is not. */
const noForm = "none/none";

/**
 * Settles the form of the answer: plain JSON, unless the client asks for the other one. What comes
 * after finds the settled form as the only one that is accepted; of a header that cannot be read it
 * would make an internal error.
 */
export const normalizeContentType: RequestHandler = (request, _response, next) => {
  request.headers.accept = request.accepts(forms) || noForm;
  next();
};

/** How long a client may go on sending after its answer, and be silent meanwhile, in milliseconds. */
const lingering = { longest: 10_000, silence: 1000 };

/**
 * Closes a connection after an answer that does not wait for the end of its request. A connection that
 * is closed while something sent is unread is reset, and the answer may be lost with it; so what still
 * comes is read and dropped for a while.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-9.6
 */
export function closeAfterAnswer(response: ServerResponse): void {
  const { socket } = response;
  response.setHeader("connection", "close");
  if (socket === null) return;
  // Node calls it when the answer is written.
  socket.destroySoon = () => {
    socket.end();
    let read = socket.bytesRead;
    let pauses = 0;
    const watch = setInterval(() => {
      pauses += 1;
      if (socket.bytesRead === read || pauses * lingering.silence >= lingering.longest) {
        socket.destroy();
      }
      read = socket.bytesRead;
    }, lingering.silence);
    socket.once("close", () => clearInterval(watch));
  };
}
