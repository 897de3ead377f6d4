import type { ServerResponse } from "node:http";

import { GraphQLError } from "graphql";
import type { Result } from "postgraphile/grafserv";

import { codeOf } from "../mask-error.ts";

/** The codes of errors that HTTP knows and GraphQL does not. */
const codes: Record<number, string> = {
  400: "BAD_REQUEST",
  405: "METHOD_NOT_ALLOWED",
  406: "NOT_ACCEPTABLE",
  413: "PAYLOAD_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
};

/** What was not done for want of the database, and can be asked again just so. */
const notNow = new Set<unknown>(["OVERLOADED", "UNAVAILABLE"]);

/** Answers of which everything was not done. */
const postponed = new WeakSet<ServerResponse>();

/** What HTTP has to say beside GraphQL, and what GraphQL's clients are told of it. */
export const HttpPlugin: GraphileConfig.Plugin = {
  name: "CrmHttpPlugin",
  version: "1.0.0",
  description: "Answers 503 where the database cannot be asked now; gives HTTP's refusals a code.",
  grafserv: {
    middleware: {
      async processRequest(next, event) {
        const result = await next();
        if (!result) return result;
        const code = codes[result.statusCode];
        if (code !== undefined) addCode(result, code);
        if (result.statusCode === 405) result.headers.allow = "GET, POST";
        if (result.statusCode === 413) result.headers.connection = "close"; // spares us the rest
        const response = event.requestDigest.requestContext.node?.res;
        if (response && postponed.has(response)) {
          result.statusCode = 503;
          result.headers["retry-after"] = "1";
        }
        return result;
      },
    },
  },
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const result = await next();
        const response = args.requestContext?.node?.res;
        if (response && "errors" in result && result.errors) {
          const isAnswered = Object.values(result.data ?? {}).some((value) => value != null);
          const errors = result.errors.filter((error) => error instanceof GraphQLError);
          if (!isAnswered && errors.every((error) => notNow.has(codeOf(error)))) {
            postponed.add(response);
          }
        }
        return result;
      },
    },
  },
};

/** Gives a code to the errors of an answer that have none. */
function addCode(result: Result, code: string): void {
  if (result.type !== "buffer") return;
  const body = JSON.parse(result.buffer.toString()) as { errors: Partial<GraphQLError>[] };
  const errors = body.errors.map((error) => ({
    ...error,
    extensions: typeof error.extensions?.code === "string" ? error.extensions : { code },
  }));
  result.buffer = Buffer.from(JSON.stringify({ ...body, errors }));
  result.headers["content-length"] = String(result.buffer.length);
}
