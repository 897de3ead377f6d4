import {
  type DocumentNode,
  type GraphQLInputType,
  type GraphQLSchema,
  isInputType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  typeFromAST,
  visit,
} from "graphql";
import { sql, type SQL } from "postgraphile/pg-sql2";

import type { Values } from "../limits/variables.ts";
import { compileMutation } from "./mutate.ts";
import type { Compiler } from "./objects.ts";
import { compileQuery } from "./select.ts";
import { fragmentsOf } from "./selections.ts";
import { createSymbols, NotCompiledError, openValue, type Reader, shapeOf } from "./symbols.ts";

/** A statement whose one value is the data of the response, as JSON. */
export interface Statement {
  readonly text: string;
  /** Reads the parameters from the variables of a request. */
  readonly parameters: readonly Reader[];
  /** Whether all requests with this statement have the same cost: no variable has a list or JSON. */
  readonly hasConstantCost: boolean;
  /** Whether it contains JSON of the database, which has to be written as JavaScript writes it. */
  readonly hasJson: boolean;
  /** What must be true of the variables of a request, or Grafast executes it. */
  readonly conditions: readonly ((variables: Values) => boolean)[];
}

/** A valid operation that may be compiled. */
export interface Operation {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly definition: OperationDefinitionNode;
  readonly pageSize: Compiler["pageSize"];
  readonly groups: Compiler["groups"];
}

/** Compiles an operation for the shapes of its variables. */
export interface CompiledOperation {
  /** Returns the shape of variables; requests of one shape have one statement. */
  shapeOf(variables: Values): string;
  /**
   * Compiles the statement for variables of a shape.
   *
   * @throws {NotCompiledError} if the operation has a part that is not compiled.
   */
  compile(variables: Values): Statement;
}

/** Prepares the compilation of an operation. */
export function prepareOperation(operation: Operation): CompiledOperation {
  const { schema, definition } = operation;
  const types = typesOf(schema, definition);
  const fixed = fixedVariables(operation.document);
  return {
    shapeOf: (variables) => shapeOf(types, variables, fixed),
    compile(variables) {
      // Twice, with different symbols: what depends on the value of a variable differs.
      const [one, other] = [1, 2].map(() => compileOnce(operation, types, fixed, variables));
      if (one === undefined || other === undefined) throw new Error("nothing was compiled");
      if (one.text !== other.text || !isDeepEqual(one.constants, other.constants)) {
        throw new NotCompiledError("the statement depends on the value of a variable");
      }
      return { ...one, hasConstantCost: !shapeOf(types, variables, fixed).includes(openValue) };
    },
  };
}

interface Once extends Omit<Statement, "hasConstantCost"> {
  readonly constants: readonly unknown[];
}

function compileOnce(
  { schema, document, definition, pageSize, groups }: Operation,
  types: Readonly<Record<string, GraphQLInputType>>,
  fixed: ReadonlySet<string>,
  variables: Values,
): Once {
  const symbols = createSymbols(types, variables, fixed);
  const conditions: Statement["conditions"][number][] = [];
  const compiler: Compiler = {
    ...{ schema, pageSize, groups, fragments: fragmentsOf(document) },
    ...{ variables: symbols.variables, derive: symbols.derive },
    require: (condition) => conditions.push(condition),
    selects: (fieldName) => selectsField(document, fieldName),
  };
  const isQuery = definition.operation === OperationTypeNode.QUERY;
  const { expression, hasJson } = isQuery
    ? compileQuery(compiler, definition.selectionSet)
    : compileMutation(compiler, definition);
  const { text, values } = sql.compile(isQuery ? dataOf(expression) : expression);
  if (symbols.isIn(text)) throw new NotCompiledError("a variable is a part of the statement");
  const constants: unknown[] = [];
  const parameters = values.map((value) => {
    const reader = symbols.readerOf(value);
    constants.push(reader === undefined ? value : null);
    return reader ?? (() => value);
  });
  return { text, parameters, hasJson, conditions, constants };
}

function dataOf(object: SQL): SQL {
  return sql`select (${object})::text`;
}

function typesOf(
  schema: GraphQLSchema,
  { variableDefinitions }: OperationDefinitionNode,
): Record<string, GraphQLInputType> {
  return Object.fromEntries(
    (variableDefinitions ?? []).map(({ variable, type }) => {
      const found = typeFromAST(schema, type);
      if (!isInputType(found)) throw new NotCompiledError(`${variable.name.value} has no type`);
      return [variable.name.value, found];
    }),
  );
}

/** The arguments whose values are part of the statement: the planner needs the size of a page. */
const sizes = new Set(["first", "last"]);

/** Returns the variables whose values are part of the shape, as they are part of the statement. */
function fixedVariables(document: DocumentNode): Set<string> {
  const names = new Set<string>();
  visit(document, {
    Argument({ name, value }) {
      if (sizes.has(name.value) && value.kind === Kind.VARIABLE) names.add(value.name.value);
    },
  });
  return names;
}

function selectsField(document: DocumentNode, fieldName: string): boolean {
  let isSelected = false;
  visit(document, {
    Field({ name }) {
      isSelected ||= name.value === fieldName;
    },
  });
  return isSelected;
}

function isDeepEqual(one: readonly unknown[], other: readonly unknown[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
