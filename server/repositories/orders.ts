import type { Column, Table } from "../model/tables.ts";
import { createFaults, type Faults, membersOf } from "./faults.ts";
import { joinOf } from "./filters.ts";
import {
  type FieldName,
  type ListableName,
  type RelatedName,
  type RelationName,
  tableOf,
  type TypeOf,
} from "./listable.ts";
import { columnOf, type Draft, identifier } from "./sql.ts";

/** The directions of an order. Rows without a value are last in ascending order, first in descending order. */
export type Direction = "asc" | "desc";

/** The fields that rows can be ordered by. */
type SortableName<Name extends ListableName> = {
  [Field in FieldName<Name>]: TypeOf<Name, Field> extends "jsonb" | "text[]" | "crm.external_id[]"
    ? never
    : Field;
}[FieldName<Name>];

/**
 * Orders of rows, by their own fields, those of the row that they reference, and the number of related rows:
 * `{ lastName: "asc" }`, `{ company: { name: "asc" } }`, `{ deals: { count: "desc" } }`. The first member
 * counts first. A field with choices is in the order of its choices, a stage in that of the pipeline.
 */
export type Order<Name extends ListableName> = {
  readonly [Field in SortableName<Name>]?: Direction | undefined;
} & {
  readonly [Related in RelationName<Name, "one" | "oneOrNone">]?:
    Order<RelatedName<Name, Related>> | undefined;
} & {
  readonly [Related in RelationName<Name, "many">]?: { readonly count?: Direction } | undefined;
};

/** One order, or several: the first counts first. */
export type OrderBy<Name extends ListableName> = Order<Name> | readonly Order<Name>[];

/** One expression of an order. */
export interface Ordering {
  readonly sql: string;
  readonly type: string;
  readonly direction: Direction;
  readonly nullable: boolean;
}

/** The order of a list: its expressions, of which the last is unique, and the joins that they need. */
export interface Ordered {
  readonly orderings: readonly Ordering[];
  readonly joins: readonly string[];
}

/**
 * Returns the SQL of an order. The key comes last, in the direction of the first expression, so the order is
 * total.
 *
 * @param name what is listed, with the alias in the statement.
 * @throws {ValidationError} with the paths of members that are not an order.
 */
export function orderingsOf(
  draft: Draft,
  name: string,
  alias: string,
  orderBy: unknown = defaultOrder(tableOf(name)),
): Ordered {
  const faults = createFaults();
  const table = tableOf(name);
  const scope: Scope = { draft, faults, table, alias, isOuter: false };
  const list: readonly unknown[] = Array.isArray(orderBy) ? orderBy : [orderBy];
  const found = list.map((order) => read(scope, order, ["orderBy"]));
  faults.refuse("The order is not valid");
  const orderings = found.flatMap((ordered) => ordered.orderings);
  const key = columnOf(table, table.key ?? "id");
  if (key === undefined) throw new TypeError(`${table.name} has no key`);
  const direction = orderings[0]?.direction ?? "asc";
  return {
    orderings: [...orderings, { ...orderingOf(scope, key), direction }],
    joins: found.flatMap(({ joins }) => joins),
  };
}

/** The audit log is in its own order; everything else begins with the newest. */
function defaultOrder({ columns }: Table): object {
  if (columns.timestamp !== undefined) return { timestamp: "asc" };
  return columns.deletedAt === undefined ? { createdAt: "desc" } : { deletedAt: "desc" };
}

interface Scope {
  readonly draft: Draft;
  readonly faults: Faults;
  readonly table: Table;
  readonly alias: string;
  /** Whether the row may be missing. */
  readonly isOuter: boolean;
}

function read(scope: Scope, order: unknown, path: readonly string[]): Ordered {
  const orderings: Ordering[] = [];
  const joins: string[] = [];
  const { draft, faults, table, alias } = scope;
  for (const [name, value] of membersOf(order, path, faults)) {
    const at = [...path, name];
    const column = columnOf(table, name);
    const relation = Object.hasOwn(table.relations, name) ? table.relations[name] : undefined;
    if (column !== undefined && isSortable(column)) {
      if (!isDirection(value)) faults.add(at, "must be asc or desc");
      else orderings.push({ ...orderingOf(scope, column), direction: value });
    } else if (relation?.kind === "many") {
      const { count } = Object.fromEntries(membersOf(value, at, faults));
      if (!isDirection(count)) faults.add(at, "must be { count: asc } or { count: desc }");
      else {
        const [{ name: other }, counted] = [tableOf(relation.entity), draft.alias()];
        const sql = `(
          select count(*) from ${other} as ${counted} where ${joinOf(relation, alias, counted)}
        )`;
        orderings.push({ sql, type: "bigint", direction: count, nullable: false });
      }
    } else if (relation !== undefined) {
      const related = draft.alias();
      const other = tableOf(relation.entity);
      const isOuter = scope.isOuter || relation.kind === "oneOrNone";
      const nested = read({ ...scope, table: other, alias: related, isOuter }, value, at);
      const condition = joinOf(relation, alias, related);
      joins.push(`${isOuter ? "left " : ""}join ${other.name} as ${related} on ${condition}`);
      joins.push(...nested.joins);
      orderings.push(...nested.orderings);
    } else {
      faults.add(at, "is not a field to order by");
    }
  }
  return { orderings, joins };
}

function orderingOf({ draft, table, alias, isOuter }: Scope, column: Column) {
  const sql = `${alias}.${identifier(column.name)}`;
  const nullable = isOuter || !column.required;
  const { rank } = column;
  if (rank !== undefined) {
    const other = draft.alias();
    const position = `(
      select ${other}.${identifier(rank.position)} from ${rank.table} as ${other}
      where ${other}.${identifier(rank.key)} = ${sql}
    )`;
    return { sql: position, type: "integer", nullable: true };
  }
  const choices = choicesOf(table, column);
  return choices === undefined
    ? { sql, type: column.type, nullable }
    : { sql: `array_position(array[${choices}]::text[], ${sql})`, type: "integer", nullable };
}

/** Returns the values that the check of a column lists, as SQL. */
function choicesOf(table: Table, column: Column): string | undefined {
  for (const check of table.checks) {
    if (check.rule === "oneOf" && table.columns[check.field] === column) {
      return check.values.map((value) => `'${value.replaceAll("'", "''")}'`).join(", ");
    }
  }
  return undefined;
}

function isSortable({ type }: Column): boolean {
  return type !== "jsonb" && !type.endsWith("[]");
}

function isDirection(value: unknown): value is Direction {
  return value === "asc" || value === "desc";
}
