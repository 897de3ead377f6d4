import { typeFaults } from "../model/column-types.ts";
import { isObject } from "../model/rules.ts";
import type { Column, ColumnType, Relation, Table } from "../model/tables.ts";
import { createFaults, type Faults, membersOf } from "./faults.ts";
import {
  type FieldName,
  type ListableName,
  type RelatedName,
  type RelationName,
  tableOf,
  type TypeOf,
  type ValueOf,
} from "./listable.ts";
import { type Operator, type OperatorsOf, operatorsOf, patternFaults } from "./operators.ts";
import { columnOf, type Draft, identifier } from "./sql.ts";

/**
 * Conditions for rows, as in the API. A row must satisfy all of them:
 *
 * ```ts
 * const filter: Filter<"contact"> = {
 *   lastName: { startsWith: "B" },
 *   company: { name: { equalTo: "Acme" } },
 *   deals: { some: { stage: { in: ["Proposal", "Negotiation"] } } },
 *   or: [{ ownerId: { equalTo: "ada" } }, { ownerId: { isNull: true } }],
 * };
 * ```
 *
 * An empty filter is no condition, and neither is a member that is undefined or null. An operator requires a
 * value.
 */
export type Filter<Name extends ListableName> = {
  readonly [Field in FieldName<Name>]?:
    OperatorsOf<TypeOf<Name, Field>, ValueOf<Name, Field>> | null | undefined;
} & {
  readonly [Related in RelationName<Name, "one" | "oneOrNone">]?:
    Filter<RelatedName<Name, Related>> | null | undefined;
} & {
  readonly [Related in RelationName<Name, "many">]?:
    ManyFilter<RelatedName<Name, Related>> | null | undefined;
} & {
  readonly and?: readonly Filter<Name>[] | null | undefined;
  readonly or?: readonly Filter<Name>[] | null | undefined;
  readonly not?: Filter<Name> | null | undefined;
};

/** Conditions for the related rows. `{}` is satisfied by every row. */
export interface ManyFilter<Name extends ListableName> {
  readonly some?: Filter<Name> | null | undefined;
  readonly every?: Filter<Name> | null | undefined;
  readonly none?: Filter<Name> | null | undefined;
}

/**
 * Returns the SQL condition of a filter; undefined if it has none.
 *
 * @param name what is listed, with the alias in the statement.
 * @throws {ValidationError} with the paths of unknown fields and operators, and of values that do not have
 *   the type of their column.
 */
export function conditionOf(
  draft: Draft,
  name: string,
  alias: string,
  filter: unknown,
): string | undefined {
  const faults = createFaults();
  const condition = read({ draft, faults, table: tableOf(name), alias }, filter, []);
  faults.refuse("The filter is not valid");
  return condition;
}

interface Scope {
  readonly draft: Draft;
  readonly faults: Faults;
  readonly table: Table;
  readonly alias: string;
}

function read(scope: Scope, filter: unknown, path: readonly string[]): string | undefined {
  const conditions = membersOf(filter, path, scope.faults).map(([name, value]) =>
    readMember(scope, name, value, [...path, name]),
  );
  return join("and", conditions);
}

function readMember(scope: Scope, name: string, value: unknown, path: readonly string[]) {
  const { table, faults } = scope;
  const column = columnOf(table, name);
  if (column !== undefined) return readOperators(scope, column, value, path);
  const relation = Object.hasOwn(table.relations, name) ? table.relations[name] : undefined;
  if (relation !== undefined) {
    return relation.kind === "many"
      ? readMany(scope, relation, value, path)
      : readOne(scope, relation, value, path);
  }
  switch (name) {
    case "and":
    case "or":
      return readList(scope, name, value, path);
    case "not":
      return negated(read(scope, value, path));
    default:
      faults.add(path, "is not a field to filter by");
      return undefined;
  }
}

function readList(scope: Scope, name: "and" | "or", value: unknown, path: readonly string[]) {
  if (!Array.isArray(value)) {
    scope.faults.add(path, "must be a list of filters");
    return undefined;
  }
  return join(
    name,
    value.map((filter, index) => read(scope, filter, [...path, String(index)])),
  );
}

function readOne(scope: Scope, relation: Relation, value: unknown, path: readonly string[]) {
  const related = scopeOf(scope, relation);
  const condition = read(related, value, path);
  return condition && exists(scope, related, relation, condition);
}

function readMany(scope: Scope, relation: Relation, value: unknown, path: readonly string[]) {
  const conditions = membersOf(value, path, scope.faults).map(([quantifier, filter]) => {
    const related = scopeOf(scope, relation);
    const condition = read(related, filter, [...path, quantifier]);
    switch (quantifier) {
      case "some":
        return exists(scope, related, relation, condition);
      case "none":
        return negated(exists(scope, related, relation, condition));
      case "every":
        return condition && negated(exists(scope, related, relation, negated(condition)));
      default:
        scope.faults.add([...path, quantifier], "must be some, every or none");
        return undefined;
    }
  });
  return join("and", conditions);
}

function scopeOf({ draft, faults }: Scope, { entity }: Relation): Scope {
  return { draft, faults, table: tableOf(entity), alias: draft.alias() };
}

function exists(
  { alias }: Scope,
  related: Scope,
  relation: Relation,
  condition: string | undefined,
): string {
  return `exists (
    select from ${related.table.name} as ${related.alias}
    where ${joinOf(relation, alias, related.alias)} and ${condition ?? "true"}
  )`;
}

/** Returns the condition that relates two rows. */
export function joinOf({ column, key }: Relation, alias: string, related: string): string {
  return `${related}.${identifier(key)} = ${alias}.${identifier(column)}`;
}

function readOperators(scope: Scope, column: Column, value: unknown, path: readonly string[]) {
  const { faults, draft, table, alias } = scope;
  if (!isObject(value)) {
    faults.add(path, "must be an object of operators, such as equalTo");
    return undefined;
  }
  const operators = operatorsOf(column.type);
  const sql = `${alias}.${identifier(column.name)}`;
  const conditions = Object.entries(value).map(([name, operand]) => {
    const at = [...path, name];
    const operator = Object.hasOwn(operators, name) ? operators[name] : undefined;
    if (operator === undefined) {
      faults.add(at, "is not an operator of this field");
      return undefined;
    }
    const messages = operandFaults(operator, column, operand);
    if (messages.length > 0) {
      faults.add(at, ...messages);
      return undefined;
    }
    return operator.condition(
      { draft, table, alias, column: column.name, sql },
      operand,
      column.type,
    );
  });
  return join("and", conditions);
}

function operandFaults(operator: Operator, column: Column, operand: unknown): string[] {
  if (operand == null) return ["must have a value; use isNull for rows without one"];
  const { type = column.type, isList } = operator;
  if (isList !== true) {
    const faults = valueFaults(type, operand);
    return faults.length > 0 ? faults : patternFaults(operator, operand);
  }
  if (!Array.isArray(operand)) return ["must be a list"];
  return operand.flatMap((element) =>
    element == null ? ["must not contain null"] : valueFaults(type, element),
  );
}

function valueFaults(type: ColumnType | "externalId", value: unknown): string[] {
  if (type !== "externalId") return typeFaults(type, value).map(({ message }) => message);
  const { source, id, ...rest } = isObject(value) ? value : {};
  const isExternalId = typeof source === "string" && typeof id === "string";
  return isExternalId && Object.keys(rest).length === 0
    ? [source, id].flatMap((part) => valueFaults("text", part))
    : ["must have a source and an id"];
}

/** Joins conditions; those that are undefined do not count. */
function join(operator: "and" | "or", conditions: readonly (string | undefined)[]) {
  const given = conditions.filter((condition) => condition !== undefined);
  return given.length > 1 ? `(${given.join(` ${operator} `)})` : given[0];
}

function negated(condition: string | undefined): string | undefined {
  return condition && `not (${condition})`;
}
