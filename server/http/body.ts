import type { IncomingMessage } from "node:http";

import type { RequestHandler } from "express";

import { PayloadTooLargeError } from "../errors/classes.ts";
import type { Limits } from "../graphql/limits/limits.ts";

type BodyLimit = "bodyBytes" | "bulkBodyBytes";

/**
 * Reads the body of a request, up to what a bulk mutation may have where whoever asks may write; what
 * else may not be larger than usual is refused when the operation is known. Authentication comes
 * before, so nobody else is listened to.
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

/** What a body that goes beyond a limit is answered with. */
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
      chunks.length = 0; // what still comes flows past
      reject(tooLarge(limits, limit, size));
    }
  });
  // It errs when its client leaves, or is too slow; then there is nobody to be answered.
  request.once("end", () => resolve(Buffer.concat(chunks)));
  return promise;
}
