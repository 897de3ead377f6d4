import type { ServerResponse } from "node:http";

import { GraphQLError } from "graphql";

import { codeOf } from "../mask-error.ts";

/** What was not done for want of the database, and can be asked again just so. */
const notNow = new Set<unknown>(["OVERLOADED", "UNAVAILABLE"]);

/** Answers of which everything was not done. */
const postponed = new WeakSet<ServerResponse>();

/** What HTTP says beside GraphQL: 503 where nothing could be done now, and when to ask again. */
export const HttpPlugin: GraphileConfig.Plugin = {
  name: "CrmHttpPlugin",
  version: "1.0.0",
  description: "Answers 503 with Retry-After where the database cannot be asked now.",
  grafserv: {
    middleware: {
      async processRequest(next, event) {
        const result = await next();
        const response = event.requestDigest.requestContext.node?.res;
        if (!result || !response || !postponed.has(response)) return result;
        response.setHeader("retry-after", "1");
        result.statusCode = 503;
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
