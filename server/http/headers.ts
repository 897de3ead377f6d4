import type { IncomingMessage, ServerResponse } from "node:http";

import express, { type Request } from "express";

import { ForbiddenError } from "../errors/classes.ts";
import { Recent } from "../recent.ts";
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
 * Sets the security headers of a response.
 *
 * @param isPage whether it belongs to the GraphiQL page.
 */
export function secureHeaders(response: ServerResponse, isPage: boolean): void {
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("referrer-policy", "no-referrer");
  response.setHeader("content-security-policy", isPage ? policyOfPage : policyOfData);
  // Queries may be sent by GET. Their responses must not stay in a cache.
  if (!isPage) response.setHeader("cache-control", "no-store");
}

/**
 * Allows a request from a page of another origin (CORS), and answers preflight requests. For origins that
 * are not allowed, no header is set, so browsers refuse the response; their preflight requests are refused
 * with an error that a developer finds.
 *
 * @returns whether the request is answered.
 */
export function allowOrigin(
  origins: Origins,
  { method, headers: { origin } }: IncomingMessage,
  response: ServerResponse,
): boolean {
  response.appendHeader("vary", "origin");
  if (origin === undefined) return false;
  const isPreflight = method === "OPTIONS";
  if (!origins.allows(origin)) {
    if (isPreflight) throw refusedOrigin(origins, origin);
    return false;
  }
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader(
    "access-control-expose-headers",
    "ratelimit, ratelimit-policy, retry-after, x-request-id",
  );
  if (!isPreflight) return false;
  response.setHeader("access-control-allow-methods", "GET, POST");
  response.setHeader(
    "access-control-allow-headers",
    "authorization, content-type, time-zone, x-request-id",
  );
  response.setHeader("access-control-max-age", "600");
  response.writeHead(204).end();
  return true;
}

/** Logs that a page was refused, and returns the error. */
export function refusedOrigin(origins: Origins, origin: string): ForbiddenError {
  origins.noteRefusal(origin);
  return new ForbiddenError(
    "Pages of this origin may not send requests; the setting ALLOWED_ORIGINS names those that may",
  );
}

/** The media types of GraphQL responses; the default comes first. */
const forms = ["application/json;charset=utf-8", "application/graphql-response+json;charset=utf-8"];

/** The types that were chosen for the latest values of `Accept`. */
const chosen = new Recent<string, string | false>(100);

/** Returns the media type of a response: plain JSON, unless the client prefers the other one. */
export function mediaTypeOf(request: IncomingMessage): string | undefined {
  const { accept } = request.headers;
  if (accept === undefined) return forms[0];
  // It reads the headers only, which a request has without Express, too.
  const form =
    chosen.get(accept) ??
    chosen.set(accept, express.request.accepts.call(request as Request, ...forms));
  return form === false ? undefined : form;
}

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
