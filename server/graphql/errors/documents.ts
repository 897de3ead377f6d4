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

import { CrmError, QueryTooComplexError, ValidationError } from "../../errors/classes.ts";
import { sentence } from "../../errors/messages.ts";
import { withRequestId } from "../../http/requests.ts";
import { type InputFaults, literalFaults } from "./input-faults.ts";
import { hold, type Limits } from "../limits/limits.ts";
import { checkStructure } from "../limits/structure.ts";

type ParseAndValidate = ExecutionConfig["parseAndValidate"];

/** The number of documents that are cached with their results. */
const maxKnown = 500;

/** The number of errors returned for one document; suggestions of similar names take time. */
const maxErrors = 20;

/**
 * Creates the function that parses and validates the text of a document. It returns the document, or errors
 * with codes. A document that is too large is refused before validation, and before all of it is parsed.
 *
 * @param rules of validation, including those of GraphQL itself.
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
    const faults = literalFaults(schema, document, { suggests: introspection });
    const isFaulty = Object.keys(faults.fields).length > 0;
    if (isFaulty && isMutation(document)) {
      // Execution refuses it, after the database has checked the other fields.
      faulty.set(document, faults);
      return { document };
    }
    return {
      errors: isFaulty
        ? [invalid(faults)]
        : withCode(saidOnce(errors), "GRAPHQL_VALIDATION_FAILED"),
    };
  }

  return (query) => {
    const result = known.get(query) ?? read(query);
    known.delete(query);
    known.set(query, result);
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size > maxKnown) known.delete(oldest);
    // The errors are cached, but each request has its own id.
    return "errors" in result && result.errors !== undefined
      ? { errors: result.errors.map(withRequestId) }
      : result;
  };
}

/** The faults of the values in documents. */
const faulty = new WeakMap<DocumentNode, InputFaults>();

/** Returns the faults of the values in a document. A document with faults must not be executed. */
export function faultsInDocument(document: DocumentNode): InputFaults | undefined {
  return faulty.get(document);
}

function isMutation({ definitions }: DocumentNode): boolean {
  return definitions.some(
    (node) =>
      node.kind === Kind.OPERATION_DEFINITION && node.operation === OperationTypeNode.MUTATION,
  );
}

/** The rules of GraphQL do not check whether the schema has subscriptions. */
function KnownOperationKinds(context: ValidationContext): ReturnType<ValidationRule> {
  return {
    OperationDefinition(node) {
      if (context.getSchema().getRootType(node.operation)) return;
      const message = `Operations of the type ${node.operation} are not supported`;
      context.reportError(new GraphQLError(message, { nodes: node }));
    },
  };
}

/** Returns the error for input with these faults. */
export function invalid({ fields, places }: InputFaults): GraphQLError {
  const message = sentence(fields, "The input is not valid", places);
  return toGraphQLError(new ValidationError(message, fields));
}

/** Converts an error of this server to one of GraphQL. */
export function toGraphQLError(error: CrmError): GraphQLError {
  return new GraphQLError(error.message, { originalError: error, extensions: error.extensions });
}

function parseWithin(query: string, { tokens, depth }: Limits): DocumentNode {
  try {
    return parse(new Source(query, "GraphQL HTTP Request"), { maxTokens: tokens });
  } catch (error) {
    // Tokens beyond the limit are not counted: that would be the work that the limit avoids.
    if (error instanceof RangeError) {
      throw new QueryTooComplexError("The document is nested too deeply to be parsed", {
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

/** Merges errors with the same message into one with all locations, to limit the size of the response. */
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
