import {
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  parse,
  Source,
  validate,
  type DocumentNode,
  type GraphQLSchema,
  type ValidationRule,
} from "graphql";
import type { ExecutionConfig } from "postgraphile/grafserv";

import {
  CrmError,
  QueryTooComplexError,
  sentence,
  ValidationError,
  type Fields,
} from "../errors.ts";
import { literalFaults } from "./input-faults.ts";
import { hold, type Limits } from "./limits/limits.ts";
import { checkStructure } from "./limits/structure.ts";

type ParseAndValidate = ExecutionConfig["parseAndValidate"];

/** How many documents are remembered with what became of them. */
const maxKnown = 500;

/**
 * Makes the way from a document's text to a document that may be executed, or to errors that carry
 * codes. A document that is too large is refused before validation, and before all of it is read.
 *
 * @param rules of validation, those of GraphQL itself included.
 */
export function createParseAndValidate(
  schema: GraphQLSchema,
  rules: readonly ValidationRule[],
  { limits, introspection }: { limits: Limits; introspection: boolean },
): ParseAndValidate {
  const allRules = introspection ? rules : [...rules, NoSchemaIntrospectionCustomRule];
  const known = new Map<string, ReturnType<ParseAndValidate>>();

  function read(query: string): ReturnType<ParseAndValidate> {
    let document: DocumentNode;
    try {
      hold(limits, "characters", query.length);
      document = parseWithin(query, limits);
      checkStructure(document, limits);
    } catch (error) {
      if (error instanceof CrmError) return { errors: [toGraphQLError(error)] };
      if (error instanceof GraphQLError) {
        return { errors: withCode([error], "GRAPHQL_PARSE_FAILED") };
      }
      throw error;
    }
    const errors = validate(schema, document, allRules);
    if (errors.length === 0) return { document };
    const fields = literalFaults(schema, document);
    return {
      errors:
        Object.keys(fields).length > 0
          ? [invalid(fields)]
          : withCode(introspection ? errors : errors.map(unhinted), "GRAPHQL_VALIDATION_FAILED"),
    };
  }

  return (query) => {
    const result = known.get(query) ?? read(query);
    known.delete(query);
    known.set(query, result);
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size > maxKnown) known.delete(oldest);
    return result;
  };
}

/** The answer to input of which these fields are at fault. */
export function invalid(fields: Fields): GraphQLError {
  return toGraphQLError(new ValidationError(sentence(fields, "The input is not valid"), fields));
}

/** An error of this product as GraphQL carries it. */
export function toGraphQLError(error: CrmError): GraphQLError {
  return new GraphQLError(error.message, { originalError: error, extensions: error.extensions });
}

function parseWithin(query: string, { tokens, depth }: Limits): DocumentNode {
  try {
    return parse(new Source(query, "GraphQL HTTP Request"), { maxTokens: tokens });
  } catch (error) {
    // What comes after the first too many is not counted: that would be the work that is refused.
    if (error instanceof RangeError) {
      throw new QueryTooComplexError("The document is nested too deep to be read", {
        limit: "depth",
        maximum: depth,
        actual: depth + 1,
      });
    }
    if (error instanceof GraphQLError && error.message.includes("tokens. Parsing aborted")) {
      throw new QueryTooComplexError(
        `The document has more than ${tokens} tokens; at most ${tokens} are allowed`,
        { limit: "tokens", maximum: tokens, actual: tokens + 1 },
      );
    }
    throw error;
  }
}

/** The same error without the names that the schema has instead. */
function unhinted({ message, nodes, source, positions }: GraphQLError): GraphQLError {
  const plain = message.replace(/ Did you mean .*\?$/s, "");
  return new GraphQLError(plain, { nodes, source, positions });
}

function withCode(errors: readonly GraphQLError[], code: string): GraphQLError[] {
  return errors.map(
    ({ message, nodes, source, positions }) =>
      new GraphQLError(message, { nodes, source, positions, extensions: { code } }),
  );
}
