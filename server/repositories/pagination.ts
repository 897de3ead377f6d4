import { type Fields, ValidationError } from "../errors/classes.ts";
import { sentence } from "../errors/messages.ts";
import { typeFaults } from "../model/column-types.ts";
import type { Column, Table } from "../model/tables.ts";
import { columnOf, identifier } from "./sql.ts";

/** The maximum number of rows that are read at once. */
export const maxRows = 1000;

/** A page of a list. */
export interface Pagination<Cursor = { createdAt: string; id: string }> {
  /** The number of rows, from 0 to 1000. */
  readonly limit: number;
  /**
   * The number of rows to skip; 0 if not given. Deep in a long list, `after` is much faster.
   */
  readonly offset?: number;
  /** The last row of the previous page. */
  readonly after?: Cursor;
}

/** The SQL clauses of a page. */
export interface Page {
  readonly conditions: string[];
  readonly orderBy: string;
  readonly limit: string;
}

/**
 * Returns the SQL clauses of a page.
 *
 * @param table the table, with the alias `t` in the statement.
 * @param order the fields to order by, which together are unique.
 * @param pagination the page. Without one, one row more than {@link maxRows} is read, for {@link
 *   refuseTooMany}.
 * @param values the parameters of the statement; those of the page are appended.
 * @throws {ValidationError} if the limit, the offset or the cursor is not valid.
 */
export function makePage(
  table: Table,
  order: readonly string[],
  pagination: Pagination<object> | undefined,
  values: unknown[],
): Page {
  const { limit, offset = 0, after } = pagination ?? { limit: maxRows + 1 };
  const most = pagination === undefined ? maxRows + 1 : maxRows;
  const columns = order.flatMap((field) => columnOf(table, field) ?? []);
  const cursor = order.map((field) => (after as Record<string, unknown> | undefined)?.[field]);

  const fields: Fields = {};
  if (!isCount(limit, most)) fields.limit = [`must be a whole number from 0 to ${maxRows}`];
  if (!isCount(offset, Number.MAX_SAFE_INTEGER))
    fields.offset = ["must be a whole number, 0 or more"];
  if (after !== undefined && !isCursor(columns, cursor)) {
    fields.after = [`must contain ${order.join(" and ")} of a row`];
  }
  if (Object.keys(fields).length > 0) {
    throw new ValidationError(sentence(fields, "The page is not valid"), fields);
  }

  const names = columns.map(({ name }) => `t.${identifier(name)}`).join(", ");
  const parameter = (value: unknown, type: string) => `$${values.push(value)}::${type}`;
  return {
    conditions:
      after === undefined
        ? []
        : [`(${names}) > (${columns.map(({ type }, i) => parameter(cursor[i], type)).join(", ")})`],
    orderBy: names,
    limit: `limit ${parameter(limit, "bigint")} offset ${parameter(offset, "bigint")}`,
  };
}

/**
 * Refuses a list that was read without a page and is too long, instead of truncating it silently.
 *
 * @throws {ValidationError} for the field `pagination`.
 */
export function refuseTooMany(rows: readonly unknown[], pagination: object | undefined): void {
  if (pagination !== undefined || rows.length <= maxRows) return;
  const fields = { pagination: [`is required, because there are more than ${maxRows} rows`] };
  throw new ValidationError(sentence(fields, "The list is too long"), fields);
}

function isCount(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function isCursor(columns: Column[], cursor: unknown[]): boolean {
  return columns.every(
    ({ type }, i) => cursor[i] != null && typeFaults(type, cursor[i]).length === 0,
  );
}
