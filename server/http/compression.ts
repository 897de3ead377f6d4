import type { IncomingMessage, ServerResponse } from "node:http";
import { constants } from "node:zlib";

import compression from "compression";
import type { Request, Response } from "express";

/** The smallest body that is compressed, in bytes. */
const smallest = 1024;

/** As fast as gzip at its fastest, and nearly as small as the levels that take several times as long. */
const brotliQuality = 3;

/**
 * Compresses responses of more than 1 kB with brotli or gzip, as the client accepts. zlib works in the
 * threads of libuv, so other requests are not delayed. A stream of events is not compressed, since its parts
 * would wait for each other.
 *
 * That the length of a response shows its contents (BREACH) requires a page that makes the browser of its
 * victim send requests. Such requests have no token, because no cookie authenticates.
 */
const compress = compression({
  threshold: smallest,
  level: 4,
  brotli: { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } },
});

/** Sends the body of a response, whose other headers are set. It is compressed if that is worthwhile. */
export function sendCompressed(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
): void {
  if (body.length >= smallest && request.headers["accept-encoding"] !== undefined) {
    compress(request as Request, response as Response, () => response.end(body));
  } else {
    response.appendHeader("vary", "accept-encoding");
    response.end(body);
  }
}
