import { CrmError } from "../../errors.ts";
import { createParseAndValidate, toGraphQLError } from "../documents.ts";
import { checkCost } from "../limits/cost.ts";
import type { Limits } from "../limits/limits.ts";

export interface LimitsOptions {
  limits: Limits;
  /** Whether the schema may be asked for, and is hinted at where a field is misspelt. */
  introspection: boolean;
}

/**
 * Refuses what asks for too much before any of it runs: a document by its text before it is
 * validated, and then with its variables by the rows that it could answer.
 */
export function createLimitsPlugin(options: LimitsOptions): GraphileConfig.Plugin {
  const { limits } = options;
  return {
    name: "CrmLimitsPlugin",
    version: "1.0.0",
    description: "Limits what one request may cost, and gives documents' errors a code.",
    before: ["CrmInputErrorsPlugin"],
    grafserv: {
      middleware: {
        setPreset(next, event) {
          const { getExecutionConfig, validationRules } = event;
          const made = new WeakMap<object, ReturnType<typeof createParseAndValidate>>();
          event.getExecutionConfig = async function (context) {
            const config = await getExecutionConfig.call(this, context);
            const { schema } = config;
            const parseAndValidate =
              made.get(schema) ?? createParseAndValidate(schema, validationRules, options);
            made.set(schema, parseAndValidate);
            return { ...config, parseAndValidate };
          };
          return next();
        },
      },
    },
    grafast: {
      middleware: {
        execute(next, { args }) {
          const { schema, document, operationName, variableValues } = args;
          try {
            const variables = variableValues ?? {};
            checkCost({ schema, document, operationName, variables }, limits);
          } catch (error) {
            if (error instanceof CrmError) return { errors: [toGraphQLError(error)] };
            throw error;
          }
          return next();
        },
      },
    },
  };
}
