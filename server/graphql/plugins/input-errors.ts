import { GraphQLError, parse, type GraphQLSchema } from "graphql";
import type { ExecutionConfig } from "postgraphile/grafserv";

import { CrmError, sentence, ValidationError, type Fields } from "../../errors.ts";
import { isStorable, literalFaults, variableFaults } from "../input-faults.ts";

type ParseAndValidate = ExecutionConfig["parseAndValidate"];

/**
 * What a client sent wrongly is answered as a form needs it: VALIDATION_ERROR with every faulty
 * field. GraphQL's own answer is prose about types, one message for each fault and none that names
 * the field.
 */
export const InputErrorsPlugin: GraphileConfig.Plugin = {
  name: "CrmInputErrorsPlugin",
  version: "1.0.0",
  description:
    "Names the faulty fields of variables and literals, and gives documents' errors a code.",
  grafserv: {
    middleware: {
      setPreset(next, event) {
        const { getExecutionConfig } = event;
        event.getExecutionConfig = async function (context) {
          const config = await getExecutionConfig.call(this, context);
          return { ...config, parseAndValidate: coded(config.parseAndValidate, config.schema) };
        };
        return next();
      },
    },
  },
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const values = args.variableValues ?? {};
        const faults = () => variableFaults(args.schema, args.document, args.operationName, values);
        if (!isStorable(values)) return { errors: [invalid(faults())] };
        const result = await next();
        const refused = "errors" in result && result.data === undefined;
        const fields = refused ? faults() : {};
        return Object.keys(fields).length > 0 ? { errors: [invalid(fields)] } : result;
      },
    },
  },
};

/** Gives a code to the errors of documents that cannot be parsed or do not fit the schema. */
function coded(parseAndValidate: ParseAndValidate, schema: GraphQLSchema): ParseAndValidate {
  return (query) => {
    const result = parseAndValidate(query);
    if (result.errors === undefined) return result;
    if (result.errors.some(isSyntaxError))
      return { errors: withCode(result.errors, "GRAPHQL_PARSE_FAILED") };
    const fields = literalFaults(schema, parse(query));
    return Object.keys(fields).length > 0
      ? { errors: [invalid(fields)] }
      : { errors: withCode(result.errors, "GRAPHQL_VALIDATION_FAILED") };
  };
}

function invalid(fields: Fields): GraphQLError {
  const error: CrmError = new ValidationError(sentence(fields, "The input is not valid"), fields);
  return new GraphQLError(error.message, { originalError: error, extensions: error.extensions });
}

function isSyntaxError(error: GraphQLError): boolean {
  return error.message.startsWith("Syntax Error");
}

function withCode(errors: readonly GraphQLError[], code: string): GraphQLError[] {
  return errors.map(
    ({ message, nodes, source, positions }) =>
      new GraphQLError(message, { nodes, source, positions, extensions: { code } }),
  );
}
