import type { IncomingMessage } from "node:http";

import type { ParsedGraphQLBody } from "postgraphile/grafserv";

import type { PgSettings } from "../auth/authenticate.ts";
import { PayloadTooLargeError } from "../errors/classes.ts";
import type { Limits } from "../graphql/limits/limits.ts";
import { parseSent } from "../model/exact-json.ts";

type BodyLimit = "bodyBytes" | "bulkBodyBytes";

/** The body of a request. */
export interface Body {
  /** The number of bytes. */
  readonly size: number;
  /** The JSON in it; otherwise the bytes themselves, which Grafserv refuses. */
  readonly content: object | Buffer;
}

/**
 * Reads the body of a request, up to the limit of bulk mutations if the user may write. When the operation
 * is known, any other operation is refused if it exceeds the limit of usual requests. Must come after
 * authentication, so that no body of an unauthenticated client is read.
 *
 * @throws {PayloadTooLargeError} if it exceeds the limit.
 */
export async function readBody(
  request: IncomingMessage,
  { role }: PgSettings,
  limits: Limits,
): Promise<Body> {
  const limit: BodyLimit = role === "crm_reader" ? "bodyBytes" : "bulkBodyBytes";
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
  const buffer = await promise;
  return { size: buffer.length, content: parse(request, buffer) ?? buffer };
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

/** Returns a body of the type JSON as an object; undefined if it is none. */
function parse({ headers }: IncomingMessage, buffer: Buffer): object | undefined {
  const [type] = headers["content-type"]?.split(";") ?? [];
  if (type?.trim().toLowerCase() !== "application/json") return undefined;
  try {
    const value = parseSent(buffer.toString());
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns a body as the parameters of GraphQL; undefined if it has none. */
export function parametersOf(body: Body | undefined): ParsedGraphQLBody | undefined {
  if (body === undefined || Buffer.isBuffer(body.content) || Array.isArray(body.content)) {
    return undefined;
  }
  const { variables, ...rest } = body.content as Partial<Record<string, unknown>>;
  const { id, documentId, query, operationName, onError, extensions } = rest;
  return {
    ...{
      id,
      documentId,
      query,
      onError: onError ?? undefined,
      extensions: extensions ?? undefined,
    },
    ...{ operationName: operationName ?? undefined, variableValues: variables ?? undefined },
  };
}
