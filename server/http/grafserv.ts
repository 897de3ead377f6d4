import type { IncomingMessage, ServerResponse } from "node:http";
import { parse } from "node:querystring";

import { GrafservBase, type GrafservBody, type RequestDigest } from "postgraphile/grafserv";

import { pathOf } from "./request.ts";

/** The response to a request, before compression. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

/** The parts of a request that the routes of this server have read. */
export interface Sent {
  /** The media type of the response; undefined if there is none that the client accepts. */
  readonly accept?: string | undefined;
  /** The body of a POST: as JSON, or as it came. */
  readonly body?: object | Buffer | undefined;
}

/** A media type that does not exist, for clients that accept none of those of GraphQL. */
const noForm = "none/none";

/** Grafserv behind the routes of this server, which read bodies and send responses. */
export class OwnGrafserv extends GrafservBase {
  /** Returns the response to a request; undefined if its path has none. */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    { accept = noForm, body }: Sent,
  ): Promise<Answer | undefined> {
    const { url = "", method = "GET", headers, httpVersionMajor, httpVersionMinor } = request;
    const digest: RequestDigest = {
      ...{ httpVersionMajor, httpVersionMinor, method, isSecure: false, path: pathOf(request) },
      // Grafserv would fail with an internal error for an invalid `Accept`.
      headers: { ...(headers as Record<string, string>), accept },
      getQueryParams: () => parse(url.split("?")[1] ?? "") as Record<string, string | string[]>,
      getBody: () => bodyOf(body),
      requestContext: { node: { req: request, res: response } },
    };
    const result = await this.processRequest(digest);
    if (result === null) return undefined;
    const { statusCode: status, headers: added } = result;
    if (result.type === "buffer") return { status, headers: added, body: result.buffer };
    if (result.type === "noContent") return { status, headers: added, body: undefined };
    throw result.type === "error" ? result.error : new Error(`No response is a ${result.type}`);
  }
}

function bodyOf(body: Sent["body"]): GrafservBody {
  if (Buffer.isBuffer(body)) return { type: "buffer", buffer: body };
  return { type: "json", json: body as Extract<GrafservBody, { type: "json" }>["json"] };
}
