import { mayRound, parseExactly } from "../exact-json.ts";

/**
 * Numbers of variables that a double does not hold as they are written are seen as such, and refused
 * by the field that they stand in, where JSON would change them without a word.
 */
export const ExactNumbersPlugin: GraphileConfig.Plugin = {
  name: "CrmExactNumbersPlugin",
  version: "1.0.0",
  description: "Refuses numbers that JSON would round.",
  grafserv: {
    middleware: {
      async processGraphQLRequestBody(next, event) {
        const { body, request } = event;
        if (request?.method === "POST" && body.variableValues != null) {
          const sent = await request.getBody();
          const text = sent.type === "buffer" ? sent.buffer.toString() : "";
          if (mayRound(text)) {
            body.variableValues = (parseExactly(text) as { variables: unknown }).variables;
          }
        }
        return next();
      },
    },
  },
};
