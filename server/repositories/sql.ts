import type { Column, ColumnType, Table } from "../model/tables.ts";

/** A statement and the values of its parameters. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * A row as PostgreSQL writes it into JSON. What JSON or JavaScript would round or write in several
 * ways is text: exact decimals, 64-bit integers, and times, in UTC to the microsecond.
 *
 * No parser of `pg` has a part in it, so neither the application's parsers nor the session's time
 * zone do.
 *
 * @param table its metadata.
 * @param alias what the table is called in the statement.
 */
export function rowJson(table: Table, alias: string): string {
  const members = Object.entries(table.columns).map(
    ([field, { name, type }]) => `'${field}', ${valueJson(`${alias}.${identifier(name)}`, type)}`,
  );
  return `json_build_object(${members.join(", ")})`;
}

/** A name of the generated metadata as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name}"`;
}

/**
 * An input as the object of columns that `jsonb_populate_record` reads. Fields that are not given
 * stay away.
 */
export function toColumns(table: Table, data: object): Record<string, unknown> {
  const columns: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(data)) {
    const column = columnOf(table, field);
    if (column !== undefined && value !== undefined) columns[column.name] = value;
  }
  return columns;
}

/** The column that clients know by this name. */
export function columnOf(table: Table, field: string): Column | undefined {
  return Object.hasOwn(table.columns, field) ? table.columns[field] : undefined;
}

function valueJson(sql: string, type: ColumnType): string {
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
