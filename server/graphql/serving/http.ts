import type { ServerResponse } from "node:http";

import { type ExecutionResult, GraphQLError } from "graphql";
import type { Result } from "postgraphile/grafserv";
import { z } from "zod";

import { currentRequest } from "../../http/requests.ts";
import { codeOf } from "../errors/mask-error.ts";

/** The codes of errors of HTTP that are none of GraphQL. */
export const codesOfStatus: Record<number, string> = {
  400: "BAD_REQUEST",
  405: "METHOD_NOT_ALLOWED",
  406: "NOT_ACCEPTABLE",
  413: "PAYLOAD_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
};

const noQueriesByGet =
  "Queries by GET are switched off; send them by POST, or set QUERIES_BY_GET to 1 on the server";

/** The codes of operations that were not executed, because the database was unavailable. */
const notNow = new Set<unknown>(["OVERLOADED", "SCHEMA_CHANGED", "UNAVAILABLE"]);

/** The status codes of responses, if they differ from those of GraphQL over HTTP. */
const statuses = new WeakMap<ServerResponse, number>();

/** Sets status codes and headers of HTTP, and completes the errors in the response. */
export const HttpPlugin: GraphileConfig.Plugin = {
  name: "CrmHttpPlugin",
  version: "1.0.0",
  description: "Returns 503 if the database is unavailable; gives errors of HTTP a code.",
  grafserv: {
    middleware: {
      async processRequest(next, event) {
        const result = await next();
        if (!result) return result;
        const { method, requestContext } = event.requestDigest;
        const { graphqlOverGET } = event.resolvedPreset.grafserv ?? {};
        if (result.statusCode >= 400) {
          const isRefusedGet = result.statusCode === 405 && method === "GET" && !graphqlOverGET;
          completeErrors(
            result,
            codesOfStatus[result.statusCode],
            isRefusedGet ? noQueriesByGet : undefined,
          );
        }
        const response = requestContext.node?.res;
        result.statusCode = (response && statuses.get(response)) ?? result.statusCode;
        if (result.statusCode === 405) {
          result.headers.allow = graphqlOverGET ? "GET, POST" : "POST";
        }
        if (result.statusCode === 503) result.headers["retry-after"] = "1";
        return result;
      },
    },
  },
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const result = await orError(next);
        const response = args.requestContext?.node?.res;
        const status = "errors" in result ? statusOf(result) : undefined;
        if (response && status !== undefined) statuses.set(response, status);
        return result;
      },
    },
  },
};

function statusOf({ data, errors = [] }: ExecutionResult): number | undefined {
  const isAnswered = Object.values(data ?? {}).some((value) => value != null);
  const codes = errors.filter((error) => error instanceof GraphQLError).map(codeOf);
  if (isAnswered || errors.length === 0) return undefined;
  return codes.every((code) => notNow.has(code)) ? 503 : undefined;
}

/** Returns a thrown error as a result; grafserv would send its message to the client. */
async function orError<Result>(next: () => Result): Promise<Awaited<Result> | ExecutionResult> {
  try {
    return await next();
  } catch (error) {
    const originalError = error instanceof Error ? error : new Error(String(error));
    return { errors: [new GraphQLError(originalError.message, { originalError })] };
  }
}

const errorsSchema = z.object({
  errors: z.array(z.looseObject({ extensions: z.record(z.string(), z.unknown()).default({}) })),
});

/**
 * Adds a code to errors without one, and the id of the request to all errors.
 *
 * @param message replaces that of grafserv.
 */
function completeErrors(result: Result, code: string | undefined, message?: string): void {
  if (result.type !== "buffer") return;
  const body = errorsSchema.safeParse(JSON.parse(result.buffer.toString())).data;
  if (body === undefined) return;
  const request = currentRequest();
  const errors = body.errors.map((error) => ({
    ...error,
    ...(message === undefined ? {} : { message }),
    extensions: {
      ...error.extensions,
      statusCode: undefined, // used by grafserv for the status of the response
      code: error.extensions.code ?? code,
      requestId: request?.id,
    },
  }));
  const noted = errors[0]?.extensions.code;
  if (request !== undefined && typeof noted === "string") request.code ??= noted;
  result.buffer = Buffer.from(JSON.stringify({ ...body, errors }));
  result.headers["content-length"] = String(result.buffer.length);
}
