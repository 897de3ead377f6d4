import { type Fields, ValidationError } from "../errors/classes.ts";
import { sentence } from "../errors/messages.ts";
import { typeFaults } from "../model/column-types.ts";
import type { Column, Table } from "../model/tables.ts";
import { columnOf, identifier } from "./sql.ts";

/**
 * Conditions for rows: each field equals a value, null, or one of several values. Lists and objects must
 * contain the given elements and members: `{ emails: ["ada@example.org"] }`,
 * `{ customFields: { industry: "Energy" } }`.
 */
export type Filters<Row> = {
  readonly [Field in keyof Row]?: Row[Field] extends readonly unknown[]
    ? Row[Field]
    : Row[Field] extends object | null
      ? Partial<Row[Field]> | null
      : Row[Field] | readonly Row[Field][];
};

/**
 * Returns the SQL conditions of filters. A row must satisfy all of them.
 *
 * @param table the table, with the alias `t` in the statement.
 * @param filters the conditions by field.
 * @param values the parameters of the statement; those of the conditions are appended.
 * @throws {ValidationError} if a field is unknown, or a value does not have the type of its column.
 */
export function makeConditions(table: Table, filters: object, values: unknown[]): string[] {
  const faults = new Map<string, string[]>();
  const conditions: string[] = [];
  for (const [field, value] of Object.entries(filters)) {
    const column = columnOf(table, field);
    const found =
      column === undefined ? ["is not a field to filter by"] : filterFaults(column, value);
    if (column === undefined || found.length > 0) faults.set(field, found);
    else conditions.push(makeCondition(column, value, values));
  }
  if (faults.size > 0) {
    const fields: Fields = Object.fromEntries(faults);
    throw new ValidationError(sentence(fields, "The filter is not valid"), fields);
  }
  return conditions;
}

function makeCondition(column: Column, value: unknown, values: unknown[]): string {
  const sql = `t.${identifier(column.name)}`;
  if (value === null) return `${sql} is null`;
  const { type } = column;
  values.push(type === "jsonb" ? JSON.stringify(value) : value);
  const parameter = `$${values.length}::${type}`;
  if (type === "jsonb" || type === "text[]") return `${sql} @> ${parameter}`;
  return Array.isArray(value) ? `${sql} = any (${parameter}[])` : `${sql} = ${parameter}`;
}

function filterFaults({ type }: Column, value: unknown): string[] {
  if (value === undefined) return ["must have a value; use null for rows without one"];
  if (value === null) return [];
  const isChoice = Array.isArray(value) && type !== "text[]" && type !== "jsonb";
  const faults = (isChoice ? (value as unknown[]) : [value]).flatMap((element) =>
    element == null
      ? ["must not contain null"]
      : typeFaults(type, element).map(({ message }) => message),
  );
  return [...new Set(faults)];
}
