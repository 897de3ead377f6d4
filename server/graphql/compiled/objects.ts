import {
  type FieldNode,
  type FragmentDefinitionNode,
  getNamedType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  isNonNullType,
  isObjectType,
} from "graphql";
import { getArgumentValues } from "graphql/execution/values.js";
import { sql, type SQL } from "postgraphile/pg-sql2";

import type { Values } from "../limits/variables.ts";
import { isRelated, type Relation } from "../paging/relations.ts";
import { type Fact, factOf } from "./facts.ts";
import { createRows } from "./rows.ts";
import { collect } from "./selections.ts";
import { NotCompiledError, type Symbols } from "./symbols.ts";
import { type Part, valueOf } from "./values.ts";

/** What an operation is compiled with. */
export interface Compiler {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** The values of variables, or symbols for them. */
  readonly variables: Values;
  /** Returns whether a field of this name is selected anywhere in the document. */
  readonly selects: (fieldName: string) => boolean;
  /** Adds a parameter that is made from variables; see `Symbols`. */
  readonly derive: Symbols["derive"];
  /** Adds a condition on the variables of a request; Grafast executes those that do not meet it. */
  readonly require: (condition: (variables: Values) => boolean) => void;
  /** Returns the number of rows of a page without a size; see `pageSizeOf`. */
  readonly pageSize: (lists: number) => number;
  /** The most groups of a list. */
  readonly groups: number;
}

/** A selection of an object. */
export interface Selected {
  readonly type: GraphQLObjectType;
  readonly nodes: readonly FieldNode[];
}

/** A field of a selection. */
export interface SelectedField extends Selected {
  readonly field: GraphQLField<unknown, unknown>;
  readonly fact: Fact;
  readonly node: FieldNode;
}

/** The longest name of a column; PostgreSQL cuts longer ones. */
const longestName = 63;

/**
 * Compiles a selection into a list of columns, from which `row_to_json` makes the object.
 *
 * @param part compiles one field.
 */
export function compileColumns(
  compiler: Compiler,
  { type, nodes }: Selected,
  part: (field: SelectedField) => Part,
): Part {
  const { fragments, variables } = compiler;
  const sets = nodes.map(({ selectionSet }) => selectionSet);
  const selections = collect(type, sets, fragments, variables);
  let hasJson = false;
  const columns = [...selections].map(([key, [node, ...others]]) => {
    if (Buffer.byteLength(key) > longestName) throw new NotCompiledError(`${key} is too long`);
    if (node.name.value === "__typename") {
      return sql`${sql.literal(type.name)}::text as ${sql.identifier(key)}`;
    }
    const field = type.getFields()[node.name.value];
    const fact = field && factOf(field);
    if (field === undefined || fact === undefined) {
      throw new NotCompiledError(`${type.name}.${node.name.value} is not compiled`);
    }
    const inner = getNamedType(field.type);
    const compiled = part({
      ...{ field, fact, node, nodes: [node, ...others] },
      type: isObjectType(inner) ? inner : type,
    });
    hasJson ||= compiled.hasJson;
    return sql`${compiled.expression} as ${sql.identifier(key)}`;
  });
  if (columns.length === 0) throw new NotCompiledError("an empty selection is not compiled");
  return { expression: sql.join(columns, ", "), hasJson };
}

/** Makes an object from columns. */
export function objectOf(columns: SQL, rest: SQL): SQL {
  const row = sql.identifier(Symbol("o"));
  return sql`select row_to_json(${row}) from (select ${columns} ${rest}) ${row}`;
}

/**
 * Compiles the row that another row refers to.
 *
 * @param part compiles a field of it.
 */
export function compileReference(
  compiler: Compiler,
  selected: SelectedField,
  relation: Relation,
  alias: SQL,
  part: (field: SelectedField, row: SQL) => Part,
): Part {
  const { localAttributes, localCodec, remoteResource } = relation;
  const isRequired = localAttributes.every((name) => localCodec.attributes[name]?.notNull === true);
  if (isNonNullType(selected.field.type) && !isRequired) return refuse(selected);
  const rows = createRows(remoteResource);
  rows.where(isRelated(relation, alias, rows.alias));
  const { expression, hasJson } = compileColumns(compiler, selected, (inner) =>
    part(inner, rows.alias),
  );
  return { expression: sql`(${objectOf(expression, rows.clauses())})`, hasJson };
}

/** Compiles a column of a row. */
export function compileColumn(
  selected: SelectedField,
  { name, codec }: Fact & { kind: "column" },
  alias: SQL,
): Part {
  const attribute = codec.attributes[name];
  if (
    attribute === undefined ||
    attribute.via !== undefined ||
    attribute.expression !== undefined
  ) {
    return refuse(selected);
  }
  const column = sql`${alias}.${sql.identifier(name)}`;
  const isNotNull = attribute.notNull === true || attribute.codec.notNull === true;
  return valueOf(column, attribute.codec, selected.field.type, isNotNull);
}

/** Returns the values of the arguments of a field, with their defaults. */
export function argumentsOf(
  variables: Values,
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
): Values {
  return getArgumentValues(field, node, variables);
}

/** @throws {NotCompiledError} that says which field is not compiled. */
export function refuse({ type, node }: Pick<SelectedField, "type" | "node">): never {
  throw new NotCompiledError(`${type.name}.${node.name.value} is not compiled`);
}
