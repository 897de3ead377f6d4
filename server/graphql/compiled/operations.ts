import {
  getOperationAST,
  type GraphQLSchema,
  type OperationDefinitionNode,
  OperationTypeNode,
  specifiedRules,
} from "graphql";
import { getVariableValues } from "graphql/execution/values.js";

import { createParseAndValidate, faultsInDocument } from "../errors/documents.ts";
import { type Limits, pageSizeOf } from "../limits/limits.ts";
import type { Values } from "../limits/variables.ts";
import { type CompiledOperation, prepareOperation, type Statement } from "./compile.ts";
import { sampleOf } from "./sample.ts";
import { NotCompiledError } from "./symbols.ts";

/** The most shapes of variables for which one operation has a statement; others are executed as usual. */
const maxShapes = 50;

type Document = NonNullable<ReturnType<ReturnType<typeof createParseAndValidate>>["document"]>;

/** A valid document, with its operations that were asked for. */
interface Known {
  readonly document: Document;
  readonly operations: Map<OperationDefinitionNode, Prepared>;
}

/** A valid operation of a persisted document. */
export interface Prepared {
  readonly document: Document;
  readonly definition: OperationDefinitionNode;
  /** Whether a second execution after an error may repeat an effect. */
  readonly isMutation: boolean;
  /** The names of its variables. */
  readonly declared: ReadonlySet<string>;
  /** Returns the values of the variables of a request; undefined if they are faulty. */
  readonly variablesOf: (sent: Values) => Values | undefined;
  /** Returns the statement for these variables; undefined if it is not compiled. */
  readonly statementFor: (variables: Values) => Statement | undefined;
  /** Why it is not compiled for usual variables; undefined if it is. */
  readonly refusal: () => string | undefined;
}

/** The operations of one schema, compiled when they are first needed. */
export interface CompiledOperations {
  readonly schema: GraphQLSchema;
  /**
   * Returns an operation of a document; undefined if the document is not valid, or has no such operation.
   *
   * @param text of the document.
   */
  find(text: string, operationName: string | null | undefined): Prepared | undefined;
}

/** Compiles operations for a schema. */
export function createCompiledOperations(
  schema: GraphQLSchema,
  limits: Limits,
): CompiledOperations {
  const parseAndValidate = createParseAndValidate(schema, specifiedRules, {
    limits,
    introspection: true,
  });
  const known = new Map<string, Known | undefined>();
  return {
    schema,
    find(text, operationName) {
      if (!known.has(text)) known.set(text, read(text));
      const ofDocument = known.get(text);
      if (ofDocument === undefined) return undefined;
      const { document, operations } = ofDocument;
      const definition = getOperationAST(document, operationName);
      if (!definition || definition.operation === OperationTypeNode.SUBSCRIPTION) return undefined;
      const prepared = operations.get(definition) ?? prepare(document, definition);
      operations.set(definition, prepared);
      return prepared;
    },
  };

  function read(text: string): Known | undefined {
    const { document, errors } = parseAndValidate(text);
    if (errors !== undefined || faultsInDocument(document) !== undefined) return undefined;
    return { document, operations: new Map() };
  }

  function prepare(document: Document, definition: OperationDefinitionNode): Prepared {
    const pageSize = (lists: number) => pageSizeOf(limits, lists);
    const { groups } = limits;
    const statements = new Map<string, Statement | string>();
    let compiled: CompiledOperation | string | undefined;
    const operation = () =>
      (compiled ??= orRefusal(() =>
        prepareOperation({ schema, document, definition, pageSize, groups }),
      ));

    function compile(variables: Values): Statement | string {
      const made = operation();
      if (typeof made === "string") return made;
      const shape = made.shapeOf(variables);
      const statement = statements.get(shape);
      if (statement !== undefined) return statement;
      if (statements.size >= maxShapes) return "its variables have too many shapes";
      const result = orRefusal(() => made.compile(variables));
      statements.set(shape, result);
      return result;
    }

    return {
      document,
      definition,
      isMutation: definition.operation === OperationTypeNode.MUTATION,
      declared: new Set(definition.variableDefinitions?.map(({ variable }) => variable.name.value)),
      variablesOf(sent) {
        const { coerced } = getVariableValues(schema, definition.variableDefinitions ?? [], sent, {
          maxErrors: 1,
        });
        return coerced;
      },
      statementFor(variables) {
        const statement = compile(variables);
        return typeof statement === "string" ? undefined : statement;
      },
      refusal() {
        const sample = sampleOf(schema, definition);
        const statement = compile(sample);
        return typeof statement === "string" ? statement : undefined;
      },
    };
  }
}

/** Returns why something is not compiled as a text. Execution reports any other error to the client. */
function orRefusal<Result>(work: () => Result): Result | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof NotCompiledError) return error.message;
    return error instanceof Error ? `it is refused: ${error.message}` : String(error);
  }
}
