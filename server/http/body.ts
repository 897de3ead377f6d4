import type { IncomingMessage } from "node:http";

import type { RequestHandler } from "express";

import { PayloadTooLargeError } from "../errors/classes.ts";
import type { Limits } from "../graphql/limits/limits.ts";

type BodyLimit = "bodyBytes" | "bulkBodyBytes";

/**
 * Reads the body of a request, up to the limit of bulk mutations if the user may write. When the operation
 * is known, any other operation is refused if it exceeds the limit of usual requests. Must come after
 * authentication, so that no body of an unauthenticated client is read.
 */
export function readBody(limits: Limits): RequestHandler {
  return async (request, _response, next) => {
    if (request.method === "POST") {
      const isReader = request.pgSettings?.role === "crm_reader";
      request.body = await read(request, limits, isReader ? "bodyBytes" : "bulkBodyBytes");
    }
    next();
  };
}

/** Creates the error for a body that exceeds a limit. */
export function tooLarge(limits: Limits, limit: BodyLimit, actual: number): PayloadTooLargeError {
  const maximum = limits[limit];
  const kind = limit === "bodyBytes" ? "request" : "bulk mutation";
  return new PayloadTooLargeError(
    `The body has ${actual} bytes or more; at most ${maximum} are allowed for a ${kind}`,
    { limit, maximum, actual },
  );
}

async function read(request: IncomingMessage, limits: Limits, limit: BodyLimit): Promise<Buffer> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > limits[limit]) throw tooLarge(limits, limit, declared);

  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limits[limit]) {
      chunks.push(chunk);
    } else {
      chunks.length = 0; // further data is discarded
      reject(tooLarge(limits, limit, size));
    }
  });
  // Errors need no listener: the client has left or is too slow, so there is nobody to respond to.
  request.once("end", () => resolve(Buffer.concat(chunks)));
  return promise;
}
