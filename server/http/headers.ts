import type { ServerResponse } from "node:http";

import express, { type Express, type RequestHandler } from "express";

import { ForbiddenError } from "../errors/classes.ts";
import type { Origins } from "./origins.ts";

/** The policy of the GraphiQL page: scripts and styles are inline, and it fetches only from its server. */
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

/** The policy of all other responses, which are data. */
const policyOfData = "default-src 'none'; frame-ancestors 'none'";

/**
 * Sets the security headers of every response.
 *
 * @param isPage returns whether a path belongs to the GraphiQL page.
 */
export function secureHeaders(isPage: (path: string) => boolean): RequestHandler {
  return (request, response, next) => {
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("referrer-policy", "no-referrer");
    const isOfPage = isPage(request.path);
    response.setHeader("content-security-policy", isOfPage ? policyOfPage : policyOfData);
    // Queries may be sent by GET. Their responses must not stay in a cache.
    if (!isOfPage) response.setHeader("cache-control", "no-store");
    next();
  };
}

/**
 * Allows requests from pages of other origins (CORS), and answers preflight requests. For origins that are
 * not allowed, no header is set, so browsers refuse the response; their preflight requests are refused with
 * an error that a developer finds.
 */
export function allowOrigins(origins: Origins): RequestHandler {
  return (request, response, next) => {
    const { origin } = request.headers;
    response.vary("origin");
    if (origin === undefined) {
      next();
      return;
    }
    if (!origins.allows(origin)) {
      if (request.method === "OPTIONS") throw refusedOrigin(origins, origin);
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

/** Logs that a page was refused, and returns the error. */
export function refusedOrigin(origins: Origins, origin: string): ForbiddenError {
  origins.noteRefusal(origin);
  return new ForbiddenError(
    "Pages of this origin may not send requests; the setting ALLOWED_ORIGINS names those that may",
  );
}

/** Creates an Express app that does not name itself in a header. */
export function createExpress(): Express {
  const app = express();
  app.disable("x-powered-by");
  return app;
}

/** The media types of GraphQL responses; the default comes first. */
const forms = ["application/json;charset=utf-8", "application/graphql-response+json;charset=utf-8"];

/** A media type that does not exist, for clients that accept neither. */
const noForm = "none/none";

/**
 * Chooses the media type of the response: plain JSON, unless the client prefers the other one. It replaces
 * the header `Accept`, because Grafserv would fail with an internal error for an invalid one.
 */
export const normalizeContentType: RequestHandler = (request, _response, next) => {
  request.headers.accept = request.accepts(forms) || noForm;
  next();
};

/** How long a client may still send after the response, in all and between two packets, in milliseconds. */
const lingering = { longest: 10_000, silence: 1000 };

/**
 * Closes a connection after a response that is sent before the end of the request. If unread data arrives
 * on a closed connection, TCP resets it, and the response may be lost. So further data is read and discarded
 * for a while.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-9.6
 */
export function closeAfterAnswer(response: ServerResponse): void {
  const { socket } = response;
  response.setHeader("connection", "close");
  if (socket === null) return;
  // Node calls this function when the response has been written.
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
