import { GraphQLFloat } from "graphql";
import { TYPES } from "postgraphile/@dataplan/pg";

import { mayRound, parseAsWritten, parseSent } from "../../model/exact-json.ts";

/**
 * Preserves every digit of numbers, in requests and responses. Numbers in variables and in JSON of the
 * database that a double cannot represent stay as written. So they do in the row of a mutation's payload,
 * which is sent back to the database to compute its derived fields.
 */
export const ExactNumbersPlugin: GraphileConfig.Plugin = {
  name: "CrmExactNumbersPlugin",
  version: "1.0.0",
  description: "Reads and writes every digit of a number.",
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
            body.variableValues = (parseSent(text) as { variables: unknown }).variables;
          }
        }
        return next();
      },
    },
  },
};

/**
 * A `Float` is the double nearest to what was sent, as GraphQL has it. The type is one for all schemas of a
 * process, so it is changed once; nothing else sends raw values of JSON.
 */
const parseFloat = GraphQLFloat.parseValue.bind(GraphQLFloat);
GraphQLFloat.parseValue = (value) =>
  parseFloat(JSON.isRawJSON(value) ? Number(value.rawJSON) : value);
