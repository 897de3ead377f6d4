import {
  type FieldNode,
  getNullableType,
  type GraphQLInputType,
  isInputObjectType,
  type OperationDefinitionNode,
} from "graphql";
import { type PgResource, sqlValueWithCodec } from "postgraphile/@dataplan/pg";
import { Setter } from "postgraphile/grafast";
import { sql, type SQL } from "postgraphile/pg-sql2";

import type { Values } from "../limits/variables.ts";
import type { Fact } from "./facts.ts";
import { applyInput, createRows, type FunctionArgument, type Rows } from "./rows.ts";
import {
  argumentsOf,
  compileColumn,
  compileColumns,
  type Compiler,
  compileReference,
  objectOf,
  type SelectedField,
} from "./objects.ts";
import { NotCompiledError } from "./symbols.ts";
import type { Part } from "./values.ts";

/**
 * Compiles a mutation of one row, or by a function that returns one, whose response has columns of that row.
 * The response is what `returning` or the function gives, so mutation and response are one statement.
 *
 * @throws {NotCompiledError} for any other mutation.
 */
export function compileMutation(
  compiler: Compiler,
  { selectionSet }: OperationDefinitionNode,
): Part {
  const type = compiler.schema.getMutationType();
  if (!type) throw new NotCompiledError("there is no mutation");
  /** Makes the statement from the expression that it returns. */
  let written: ((returned: SQL) => SQL) | undefined;
  let hasJson = false;
  const root = { type, nodes: [{ selectionSet } as FieldNode] };
  const { expression } = compileColumns(compiler, root, (selected) => {
    if (written !== undefined) throw new NotCompiledError("several mutations are not compiled");
    const { fact } = selected;
    if (fact.kind === "call") {
      const rows = callOf(compiler, selected, fact);
      const called = compilePayload(compiler, selected, rows.alias, compileResult);
      written = (returned) => sql`select ${returned} ${rows.clauses()}`;
      ({ hasJson } = called);
      return called;
    }
    if (fact.kind !== "create" && fact.kind !== "update") {
      throw new NotCompiledError(`${selected.node.name.value} is not compiled`);
    }
    const alias = sql.identifier(Symbol(fact.resource.name));
    const payload = compilePayload(compiler, selected, alias, (ofRow) =>
      compileWritten(compiler, ofRow, alias),
    );
    const clauses = clausesOf(compiler, selected, alias);
    written = (returned) => sql`${clauses} returning ${returned}`;
    ({ hasJson } = payload);
    return payload;
  });
  if (written === undefined) throw new NotCompiledError("a mutation without a field");
  return { expression: written(sql`(${objectOf(expression, sql.blank)})::text`), hasJson };
}

/**
 * Compiles the payload of a mutation.
 *
 * @param part compiles a field of the row in it.
 */
function compilePayload(
  compiler: Compiler,
  selected: SelectedField,
  alias: SQL,
  part: (field: SelectedField, alias: SQL) => Part,
): Part {
  const { expression, hasJson } = compileColumns(compiler, selected, (ofPayload) => {
    if (ofPayload.fact.kind !== "written") {
      throw new NotCompiledError(`${ofPayload.node.name.value} of a payload is not compiled`);
    }
    const row = compileColumns(compiler, ofPayload, (ofRow) => part(ofRow, alias));
    return { expression: sql`(${objectOf(row.expression, sql.blank)})`, hasJson: row.hasJson };
  });
  return { expression: sql`(${objectOf(expression, sql.blank)})`, hasJson };
}

/** Compiles a field of the row that a function returns: a column. */
function compileResult(selected: SelectedField, alias: SQL): Part {
  const { fact, node } = selected;
  if (fact.kind === "column") return compileColumn(selected, fact, alias);
  throw new NotCompiledError(`${node.name.value} of a result is not compiled`);
}

/** Returns the row that the function of a mutation returns for its input. */
function callOf(
  { variables }: Compiler,
  { field, node }: SelectedField,
  { resource, parameters }: Fact & { kind: "call" },
): Rows {
  const { input } = argumentsOf(variables, field, node) as { input: Values };
  const members = new Map(Object.entries(input).filter(([, value]) => value !== undefined));
  const args = parameters.flatMap(({ name, member, codec }): FunctionArgument[] => {
    const value = members.get(member);
    if (!members.delete(member)) return [];
    if (name === null || codec.attributes !== undefined) {
      throw new NotCompiledError(`${member} is not compiled`);
    }
    return [{ name, placeholder: sqlValueWithCodec(value, codec) }];
  });
  if (members.size > 0) throw new NotCompiledError(`${[...members.keys()].join()} is not compiled`);
  return createRows(resource, { args });
}

/**
 * Compiles a field of a written row: a column, or columns of a row that it refers to. The statement does not
 * see its own effects in lists and functions.
 */
function compileWritten(compiler: Compiler, selected: SelectedField, alias: SQL): Part {
  const { fact, node } = selected;
  if (fact.kind === "column") return compileColumn(selected, fact, alias);
  if (fact.kind !== "reference") {
    throw new NotCompiledError(`${node.name.value} of a written row is not compiled`);
  }
  return compileReference(compiler, selected, fact.relation, alias, (inner, row) =>
    compileWritten(compiler, inner, row),
  );
}

function clausesOf(compiler: Compiler, selected: SelectedField, alias: SQL): SQL {
  const { fact, field, node } = selected;
  if (fact.kind !== "create" && fact.kind !== "update") throw new NotCompiledError("no mutation");
  const { resource } = fact;
  const { from } = resource;
  if (typeof from === "function") throw new NotCompiledError(`${resource.name} is no table`);
  const given = argumentsOf(compiler.variables, field, node);
  const columns = new Map<string, SQL>();
  const builder = {
    alias,
    setMeta: () => undefined,
    getMetaRaw: () => undefined,
    set: (name: string, value: unknown) => columns.set(name, valueIn(resource, name, value)),
    setBuilder: () => new Setter(builder as never),
  };
  for (const { name, type } of field.args) {
    refuseUnapplied(type, given[name], [name]);
    applyInput(compiler.schema, type, builder, given[name]);
  }
  const names = [...columns.keys()].map((name) => sql.identifier(name));
  const values = [...columns.values()];
  if (columns.size === 0) throw new NotCompiledError("an empty input is not compiled");
  if (fact.kind === "create") {
    return sql`insert into ${from} as ${alias} (${sql.join(names, ", ")}) values (${sql.join(values, ", ")})`;
  }
  const { id } = given.input as { readonly id?: unknown };
  if (typeof id !== "string") throw new NotCompiledError("an update without an id is not compiled");
  const sets = names.map((name, i) => sql`${name} = ${values[i] ?? sql.null}`);
  const key = valueIn(resource, "id", id);
  return sql`update ${from} as ${alias} set ${sql.join(sets, ", ")} where ${alias}.id = ${key}`;
}

/** The members of an input that are no columns, and are handled by this compiler. */
const handled = new Set(["input.id"]);

/**
 * Refuses an input with a member that does not only set columns, such as a reference by external id or a key
 * of idempotency: another part of the server handles it.
 */
function refuseUnapplied(type: GraphQLInputType, value: unknown, path: readonly string[]): void {
  const named = getNullableType(type);
  if (!isInputObjectType(named) || typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const field = named.getFields()[name];
    if (field === undefined || member === undefined) continue;
    const place = [...path, name];
    const { grafast, customField } = field.extensions;
    // The row that contains a custom field sets the column of all of them.
    const isApplied = grafast?.apply !== undefined || customField !== undefined;
    if (!isApplied && !handled.has(place.join("."))) {
      throw new NotCompiledError(`${place.join(".")} is not compiled`);
    }
    refuseUnapplied(field.type, member, place);
  }
}

/** Returns a value for a column. */
function valueIn({ codec, name: table }: PgResource, name: string, value: unknown): SQL {
  const column = codec.attributes?.[name]?.codec;
  if (column === undefined) throw new NotCompiledError(`${table} has no column ${name}`);
  return sqlValueWithCodec(value, column);
}
