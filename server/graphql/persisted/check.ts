import { setImmediate as nextTurn } from "node:timers/promises";

import {
  GraphQLError,
  NoDeprecatedCustomRule,
  parse,
  specifiedRules,
  validate,
  type GraphQLSchema,
  type ValidationRule,
} from "graphql";
import type { Logger } from "pino";

import type { PersistedOperations } from "./operations.ts";

/** A persisted operation, and the first fault in it. */
interface Finding {
  readonly id: string;
  readonly message: string;
}

/**
 * Logs the persisted operations that a schema does not accept, and those that use deprecated names, which it
 * will not accept later. The operations are validated one by one; between them requests are served. Each
 * request validates its operation anyway, so this only informs the operator.
 */
export async function checkPersistedOperations(
  schema: GraphQLSchema,
  operations: PersistedOperations,
  logger: Logger,
): Promise<void> {
  const refused: Finding[] = [];
  const deprecated: Finding[] = [];
  for (const [id, document] of operations.all()) {
    const fault = firstFault(schema, document, specifiedRules);
    const use = fault ?? firstFault(schema, document, [NoDeprecatedCustomRule]);
    if (use !== undefined) (fault === undefined ? deprecated : refused).push({ id, message: use });
    await nextTurn();
  }
  if (refused.length > 0) {
    logger.warn({ operations: refused }, "persisted operations do not fit the schema");
  }
  if (deprecated.length > 0) {
    logger.warn({ operations: deprecated }, "persisted operations use deprecated names");
  }
}

function firstFault(
  schema: GraphQLSchema,
  document: string,
  rules: readonly ValidationRule[],
): string | undefined {
  try {
    return validate(schema, parse(document), rules, { maxErrors: 1 })[0]?.message;
  } catch (error) {
    if (error instanceof GraphQLError) return error.message;
    throw error;
  }
}
