import { TYPES } from "postgraphile/@dataplan/pg";

import { mayRound, parseAsWritten, parseExactly } from "../../exactJson.ts";

/**
 * Numbers are what was written, digit for digit, both ways.
 *
 * Those of variables that a double does not hold as they are written are seen as such, and refused by
 * the field that they stand in, where JSON would change them without a word. Those of the database's
 * JSON are kept as they are written there: an answer carries them on, and so does the row of a
 * mutation's payload, which is sent back to the database for what is derived from it.
 */
export const ExactNumbersPlugin: GraphileConfig.Plugin = {
  name: "CrmExactNumbersPlugin",
  version: "1.0.0",
  description: "Refuses numbers that JSON would round, and answers with every digit.",
  gather: {
    hooks: {
      pgCodecs_PgCodec(_info, { pgCodec }) {
        if (pgCodec === TYPES.json || pgCodec === TYPES.jsonb) pgCodec.fromPg = parseAsWritten;
      },
    },
  },
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
