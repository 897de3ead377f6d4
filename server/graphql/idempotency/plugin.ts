import {
  type ExecutionResult,
  type FieldNode,
  getOperationAST,
  OperationTypeNode,
  print,
  valueFromASTUntyped,
} from "graphql";
import type { WithPgClient } from "postgraphile/@dataplan/pg";

import { parseAsWritten } from "../../model/exact-json.ts";
import { hasCode } from "../../errors/problem.ts";
import {
  claimKey,
  keepResponse,
  type KeyedRequest,
  keyedRequest,
  keyName,
  type QueryAsServer,
  refuseKey,
} from "../../postgres/idempotency.ts";
import { isIncluded, variablesOf } from "../limits/variables.ts";
import { rootFields } from "../limits/root-fields.ts";

const description =
  "A unique string that the client chooses, such as a random UUID, of at most 255 characters. For 24 " +
  "hours, a request that repeats it changes nothing and gets the first response. An operation with a key " +
  "has one mutation; mutation and response are one transaction, rolled back if the response has an error.";

/**
 * Makes mutations safe to repeat. A mutation with a key runs in one transaction with its whole operation, and
 * its response is stored in that transaction. If the server, the database or the connection fails, either
 * both exist or neither does.
 */
export const IdempotencyPlugin: GraphileConfig.Plugin = {
  name: "CrmIdempotencyPlugin",
  version: "1.0.0",
  description: "Returns the stored response if a mutation is repeated with its key.",
  after: ["CrmInputErrorsPlugin"],
  schema: {
    hooks: {
      GraphQLInputObjectType_fields(fields, build, { scope: { isMutationInput } }) {
        if (!isMutationInput) return fields;
        const field = { type: build.graphql.GraphQLString, description };
        return build.extend(fields, { [keyName]: field }, "Adding an idempotency key");
      },
    },
  },
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const request = readRequest(args as Grafast.ExecutionArgs);
        if (request === undefined) return next();
        const context = args.contextValue as Grafast.Context;
        try {
          return await context.transact(async (withPgClient) => {
            const query = asServer(withPgClient);
            const known = await claimKey(query, request);
            if (known !== undefined) {
              return { data: parseAsWritten(known) as Record<string, unknown> };
            }
            // The whole operation runs in this transaction.
            context.withPgClient = withPgClient as unknown as typeof context.withPgClient;
            const result = (await next()) as ExecutionResult;
            if (result.errors !== undefined || result.data == null) throw new Undone(result);
            await keepResponse(query, request, JSON.stringify(result.data), isNarrow(result.data));
            return result;
          });
        } catch (error) {
          if (error instanceof Undone) return error.result;
          throw error;
        }
      },
    },
  },
};

/** Rolls back the transaction of a failed operation, and carries the response. */
class Undone extends Error {
  readonly result: ExecutionResult;

  constructor({ data, errors = [] }: ExecutionResult) {
    super("The operation was rolled back");
    // Errors that only follow from an earlier one in the transaction are omitted.
    const own = errors.filter(({ originalError }) => !hasCode(originalError, "25P02"));
    const nothing = Object.fromEntries(Object.keys(data ?? {}).map((field) => [field, null]));
    this.result = {
      errors: own.length > 0 ? own : errors,
      ...(data === undefined ? {} : { data: data && nothing }),
    };
  }
}

/** @throws {ValidationError} if the key is invalid, or the operation has several mutations. */
function readRequest({
  document,
  operationName,
  variableValues,
  contextValue,
}: Grafast.ExecutionArgs): KeyedRequest | undefined {
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.MUTATION) return undefined;
  const values = variablesOf(operation, variableValues ?? {});
  const fields = [
    ...rootFields(operation.selectionSet, document, (node) => isIncluded(node, values)),
  ];
  const key = fields.map((field) => keyOf(field, values)).find((given) => given !== undefined);
  if (key === undefined) return undefined;
  if (new Set(fields.map((field) => field.alias?.value ?? field.name.value)).size > 1) {
    refuseKey("is only allowed in an operation with one mutation");
  }

  const { role, "crm.user_id": user } = contextValue.pgSettings ?? {};
  const text = document.loc?.source.body ?? print(document);
  return keyedRequest(user, key, [role, operation.name?.value, text, variableValues]);
}

/** Returns the key of a mutation. GraphQL refuses one that is not a string. */
function keyOf(field: FieldNode, values: Readonly<Record<string, unknown>>): string | undefined {
  const input = field.arguments?.find((argument) => argument.name.value === "input");
  const given: unknown = input && valueFromASTUntyped(input.value, values);
  if (typeof given !== "object" || given === null || !(keyName in given)) return undefined;
  return typeof given[keyName] === "string" ? given[keyName] : undefined;
}

/** Keys belong to the server, so the settings of the user do not apply. */
function asServer(withPgClient: WithPgClient): QueryAsServer {
  return async <Row extends object>(text: string, values: readonly unknown[]) => {
    const { rows } = await withPgClient({ role: "none" }, (client) =>
      client.query<Row>({ text, values: [...values] }),
    );
    return rows;
  };
}

/**
 * Returns whether a response only has fields of the row that its mutation changed: a payload, a row in it,
 * and values. Deeper levels may have data of any person, which erasure has to find.
 */
function isNarrow(data: object): boolean {
  const isPlain = (value: unknown) => typeof value !== "object" || value === null;
  const isValue = (value: unknown) =>
    isPlain(value) || (Array.isArray(value) && value.every(isPlain));
  const isRow = (value: unknown) =>
    isValue(value) || (!Array.isArray(value) && Object.values(value as object).every(isValue));
  return Object.values(data).every(
    (payload) => isPlain(payload) || Object.values(payload as object).every(isRow),
  );
}
