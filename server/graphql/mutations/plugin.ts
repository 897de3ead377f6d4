import { type ExecutionResult, getOperationAST, GraphQLError, OperationTypeNode } from "graphql";

import { InDoubtError } from "../../errors/classes.ts";
import type { Changes } from "../../postgres/adaptor.ts";
import { markOutcome, type Outcome } from "../errors/mask-error.ts";

/**
 * A mutation and its response use one connection, so that the response can be read even if all other
 * connections are busy. If the response fails nevertheless, its errors have the code COMMITTED.
 *
 * With an idempotency key this cannot happen: mutation and response are one transaction.
 */
export const MutationsPlugin: GraphileConfig.Plugin = {
  name: "CrmMutationsPlugin",
  version: "1.0.0",
  description: "Reads the response of a mutation over the connection of the mutation.",
  after: ["CrmInputErrorsPlugin"],
  before: ["CrmIdempotencyPlugin"],
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const operation = getOperationAST(args.document, args.operationName);
        if (operation?.operation !== OperationTypeNode.MUTATION) return next();
        const context = args.contextValue as Grafast.Context;
        return context.reserve(async (withPgClient, changes) => {
          context.withPgClient = withPgClient as unknown as typeof context.withPgClient;
          try {
            const result = await next();
            return "errors" in result ? tell(result, changes) : result;
          } catch (error) {
            const originalError = error instanceof Error ? error : new Error(String(error));
            const failed = new GraphQLError(originalError.message, { originalError });
            return tell({ errors: [failed] }, changes);
          }
        });
      },
    },
  },
};

/** Marks each error whose mutation was committed, or may have been. */
function tell(result: ExecutionResult, changes: Changes): ExecutionResult {
  const { data, errors = [] } = result;
  if (changes.done === 0 && ![...changes.failures].some(isDoubt)) return result;

  /** The mutations that have a payload, or had one in which a field failed. */
  const answered = new Set<unknown>(
    errors.filter(({ path = [] }) => path.length > 1).map(({ path }) => path?.[0]),
  );
  for (const [name, payload] of Object.entries(data ?? {})) {
    if (payload != null) answered.add(name);
  }
  // A mutation that failed before its payload, but not by its statement, may have been committed.
  const isOpen = (error: GraphQLError) =>
    !answered.has(error.path?.[0]) && !changes.failures.has(error.originalError);
  const open = errors.filter(isOpen);
  const unaccounted = changes.done - answered.size;
  const outcomeOf = (error: GraphQLError): Outcome | undefined => {
    if (isDoubt(error.originalError)) return "in doubt";
    if (changes.done === 0) return undefined;
    if (answered.has(error.path?.[0])) return "done";
    if (!isOpen(error) || unaccounted <= 0) return undefined;
    return unaccounted >= open.length ? "done" : "in doubt";
  };
  return {
    ...result,
    errors: errors.map((error) => {
      const outcome = outcomeOf(error);
      return outcome === undefined ? error : markOutcome(error, outcome);
    }),
  };
}

function isDoubt(error: unknown): boolean {
  return error instanceof InDoubtError;
}
