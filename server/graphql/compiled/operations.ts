import { createHash } from "node:crypto";

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
import { Recent } from "../../recent.ts";
import { type CompiledOperation, prepareOperation, type Statement } from "./compile.ts";
import { sampleOf } from "./sample.ts";
import { NotCompiledError } from "./symbols.ts";

/** The number of shapes of variables for which an operation keeps a statement, or why there is none. */
const keptShapes = 50;

/** The most characters of a shape that is kept as it is. */
const longestShape = 200;

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
  /** Returns the statement for these variables, if it has been compiled. */
  readonly knownFor: (variables: Values) => Statement | undefined;
  /** Returns the statement for these variables, which is compiled if needed; undefined if that is refused. */
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
    const statements = new Recent<string, Statement>(keptShapes);
    const refusals = new Recent<string, string>(keptShapes);
    let compiled: CompiledOperation | string | undefined;
    const operation = () =>
      (compiled ??= orRefusal(() =>
        prepareOperation({ schema, document, definition, pageSize, groups }),
      ));

    function compile(variables: Values): Statement | string {
      const made = operation();
      if (typeof made === "string") return made;
      const shape = keyOf(made.shapeOf(variables));
      const known = statements.get(shape) ?? refusals.get(shape);
      if (known !== undefined) return known;
      const result = orRefusal(() => made.compile(variables));
      return typeof result === "string"
        ? refusals.set(shape, result)
        : statements.set(shape, result);
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
      knownFor(variables) {
        const made = operation();
        return typeof made === "string"
          ? undefined
          : statements.get(keyOf(made.shapeOf(variables)));
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

/** Returns a key for a shape that needs little memory: a client may send long ones. */
function keyOf(shape: string): string {
  if (shape.length <= longestShape) return shape;
  return createHash("sha256").update(shape).digest("base64url");
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
