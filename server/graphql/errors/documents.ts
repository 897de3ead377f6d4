import {
  GraphQLError,
  Kind,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
  parse,
  Source,
  validate,
  type DocumentNode,
  type GraphQLSchema,
  type ValidationContext,
  type ValidationRule,
} from "graphql";
import type { ExecutionConfig } from "postgraphile/grafserv";

import {
  CrmError,
  QueryTooComplexError,
  ValidationError,
  type Fields,
} from "../../errors/classes.ts";
import { sentence } from "../../errors/messages.ts";
import { withRequestId } from "../../http/requests.ts";
import { literalFaults } from "./input-faults.ts";
import { hold, type Limits } from "../limits/limits.ts";
import { checkStructure } from "../limits/structure.ts";

type ParseAndValidate = ExecutionConfig["parseAndValidate"];

/** How many documents are remembered with what became of them. */
const maxKnown = 500;

/** How many errors of one document are told; looking for names that are alike takes its time. */
const maxErrors = 20;

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
  const allRules = [...rules, KnownOperationKinds];
  const hideSuggestions = !introspection;
  if (!introspection) allRules.push(NoSchemaIntrospectionCustomRule);
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
    const errors = validate(schema, document, allRules, { maxErrors, hideSuggestions });
    if (errors.length === 0) return { document };
    const fields = literalFaults(schema, document);
    if (Object.keys(fields).length > 0 && isMutation(document)) {
      // The database has to be asked first what else is wrong.
      faulty.set(document, fields);
      return { document };
    }
    return {
      errors:
        Object.keys(fields).length > 0
          ? [invalid(fields)]
          : withCode(saidOnce(errors), "GRAPHQL_VALIDATION_FAILED"),
    };
  }

  return (query) => {
    const result = known.get(query) ?? read(query);
    known.delete(query);
    known.set(query, result);
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size > maxKnown) known.delete(oldest);
    // They are remembered, and each request has an id of its own.
    return "errors" in result && result.errors !== undefined
      ? { errors: result.errors.map(withRequestId) }
      : result;
  };
}

/** Documents whose values are wrong, with what is wrong with them. */
const faulty = new WeakMap<DocumentNode, Fields>();

/** What is wrong with the values that a document holds. It must not be executed then. */
export function faultsInDocument(document: DocumentNode): Fields | undefined {
  return faulty.get(document);
}

function isMutation({ definitions }: DocumentNode): boolean {
  return definitions.some(
    (node) =>
      node.kind === Kind.OPERATION_DEFINITION && node.operation === OperationTypeNode.MUTATION,
  );
}

/** GraphQL's rules leave it to execution that a schema may have no subscriptions. */
function KnownOperationKinds(context: ValidationContext): ReturnType<ValidationRule> {
  return {
    OperationDefinition(node) {
      if (context.getSchema().getRootType(node.operation)) return;
      context.reportError(new GraphQLError(`There is no ${node.operation} here`, { nodes: node }));
    },
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

/** The same fault in several places is one error with all its places: answers do not grow by it. */
function saidOnce(errors: readonly GraphQLError[]): GraphQLError[] {
  const byMessage = Map.groupBy(errors, ({ message }) => message);
  return Array.from(byMessage, ([message, same]) => {
    const nodes = same.flatMap((error) => error.nodes ?? []);
    return new GraphQLError(message, { nodes });
  });
}

function withCode(errors: readonly GraphQLError[], code: string): GraphQLError[] {
  return errors.map(
    ({ message, nodes, source, positions }) =>
      new GraphQLError(message, { nodes, source, positions, extensions: { code } }),
  );
}
