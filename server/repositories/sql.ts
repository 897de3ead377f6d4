import type { Column, ColumnType, Table } from "../model/tables.ts";

/** A statement and the values of its parameters. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** A statement that is being built. Its parts are texts of SQL that refer to its parameters. */
export interface Draft {
  readonly values: readonly unknown[];
  /** Adds a value, and returns its parameter. */
  bind(value: unknown, type: string): string;
  /** Returns an alias for a table that no other part uses. */
  alias(): string;
}

/** Begins a statement. */
export function createDraft(): Draft {
  const values: unknown[] = [];
  let aliases = 0;
  return {
    values,
    bind: (value, type) => `$${values.push(value)}::${type}`,
    alias: () => `t${++aliases}`,
  };
}

/**
 * Returns the SQL expression of a row as JSON. Values that JavaScript would round, or that have several
 * formats, are strings: exact decimals, 64-bit integers, and times, in UTC to the microsecond.
 *
 * It does not use the type parsers of `pg`, so the result depends neither on parsers of the application nor
 * on the time zone of the session.
 *
 * @param table the metadata of the table.
 * @param alias the alias of the table in the statement.
 * @param more further members: names and expressions.
 */
export function rowJson(table: Table, alias: string, more: readonly string[] = []): string {
  const members = Object.entries(table.columns).map(
    ([field, { name, type }]) => `'${field}', ${valueJson(`${alias}.${identifier(name)}`, type)}`,
  );
  return `json_build_object(${[...members, ...more].join(", ")})`;
}

/** Quotes a name of the generated metadata as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name}"`;
}

/**
 * Converts an input to the object of columns that `jsonb_populate_record` reads. Omitted fields stay omitted.
 */
export function toColumns(table: Table, data: object): Record<string, unknown> {
  const columns: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(data)) {
    const column = columnOf(table, field);
    if (column !== undefined && value !== undefined) columns[column.name] = value;
  }
  return columns;
}

/** Returns the column of a field. */
export function columnOf(table: Table, field: string): Column | undefined {
  return Object.hasOwn(table.columns, field) ? table.columns[field] : undefined;
}

/** Returns the SQL expression of a value as JSON; see {@link rowJson}. */
export function valueJson(sql: string, type: ColumnType): string {
  switch (type) {
    case "bigint":
    case "numeric":
      return `${sql}::text`;
    case "timestamp with time zone":
      return `to_char(${sql} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    default:
      return sql;
  }
}
