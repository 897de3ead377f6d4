import { getOperationAST, OperationTypeNode } from "graphql";
import type { WithPgClient } from "postgraphile/@dataplan/pg";
import { SafeError } from "postgraphile/grafast";

import { tooLarge } from "../../http/body.ts";
import { CrmError } from "../../errors/classes.ts";
import { createParseAndValidate, toGraphQLError } from "../errors/documents.ts";
import type { Operation, Turns } from "./turns.ts";
import { isBulk } from "./bulk.ts";
import { createCheckCost } from "./cost.ts";
import type { Limits } from "./limits.ts";

export interface LimitsOptions {
  limits: Limits;
  /** The turns of large operations. */
  turns: Turns;
  /** Whether introspection is allowed, and errors suggest names for misspelt fields. */
  introspection: boolean;
}

/** The part of the context through which an operation queries the database. */
interface Clients {
  withPgClient: WithPgClient;
  pgSettings: Readonly<Record<string, string>>;
}

/** The setting of a request with a list so long that the plan depends on it. */
export const planAnew = { plan_cache_mode: "force_custom_plan" };

/**
 * The number of documents whose plans are kept, and of plans of one document, which has several if variables
 * decide what is planned. A plan of a usual document takes 300 kB; Grafast would keep 500 and 50.
 */
const keptPlans = { operationsCacheMaxLength: 200, operationOperationPlansCacheMaxLength: 10 };

/**
 * Refuses requests that are too large before any of them runs: first by the text of the document, before
 * validation; then, with the variables, by the number of rows that the response may have. Operations that
 * are large but allowed take turns.
 */
export function createLimitsPlugin(options: LimitsOptions): GraphileConfig.Plugin {
  const { limits, turns } = options;
  const checkCost = createCheckCost(limits);
  return {
    name: "CrmLimitsPlugin",
    version: "1.0.0",
    description: "Limits the cost of a request, and gives the errors of documents a code.",
    before: ["CrmInputErrorsPlugin"],
    schema: {
      hooks: {
        GraphQLSchema(config) {
          const { grafast, ...others } = config.extensions ?? {};
          return { ...config, extensions: { ...others, grafast: { ...grafast, ...keptPlans } } };
        },
      },
    },
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
            const size = context.node?.req.bodySize ?? 0;
            if (size <= limits.bodyBytes) return { ...config, parseAndValidate };
            return {
              ...config,
              parseAndValidate(query) {
                const result = parseAndValidate(query);
                if (result.document && isBulk(schema, result.document)) return result;
                const { message, extensions } = tooLarge(limits, "bodyBytes", size);
                throw new SafeError(message, { statusCode: 413, ...extensions });
              },
            };
          };
          return next();
        },
      },
    },
    grafast: {
      middleware: {
        async subscribe(next, { args }) {
          const { schema, document, operationName, variableValues: variables = {} } = args;
          try {
            checkCost({ schema, document, operationName, variables: variables ?? {} });
            return await next();
          } catch (error) {
            if (error instanceof CrmError) return { errors: [toGraphQLError(error)] };
            throw error;
          }
        },
        async execute(next, { args }) {
          const { schema, document, operationName, variableValues } = args;
          try {
            const variables = variableValues ?? {};
            const cost = checkCost({ schema, document, operationName, variables });
            const { node, ws } = args.requestContext ?? {};
            const operation: Operation = {
              cost,
              isMutation:
                getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION,
              departure: (node?.req ?? ws?.request)?.departure,
            };
            const context = args.contextValue as Clients;
            context.withPgClient = turns.clientsFor(operation, context.withPgClient);
            // A generic plan would search the list once for each row.
            if (cost.hasLongList) context.pgSettings = { ...context.pgSettings, ...planAnew };
            return await turns.run(operation, next);
          } catch (error) {
            if (error instanceof CrmError) return { errors: [toGraphQLError(error)] };
            throw error;
          }
        },
      },
    },
  };
}
