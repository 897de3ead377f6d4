import { type Fields, ValidationError } from "../errors/classes.ts";
import { sentence } from "../errors/messages.ts";
import { typeFaults } from "../model/column-types.ts";
import type { Column, Table } from "../model/tables.ts";
import { columnOf, identifier } from "./sql.ts";

/** The most rows that are read at once. */
export const maxRows = 1000;

/** Which part of a list is asked for. */
export interface Pagination<Cursor = { createdAt: string; id: string }> {
  /** The number of rows, from 0 to 1000. */
  readonly limit: number;
  /**
   * How many rows to leave out first; 0 if not given. Deep in a long list, `after` is much faster.
   */
  readonly offset?: number;
  /** The last row of the page before. */
  readonly after?: Cursor;
}

/** The clauses of a page. */
export interface Page {
  readonly conditions: string[];
  readonly orderBy: string;
  readonly limit: string;
}

/**
 * Makes the clauses of a page.
 *
 * @param table the table, called `t` in the statement.
 * @param order the fields that the list is ordered by, which together are unique.
 * @param pagination the page; without one, one row more than {@link maxRows}, so that {@link
 *   refuseTooMany} can tell.
 * @param values the parameters of the statement so far; those of the page are added.
 * @throws {ValidationError} where a limit, an offset or a cursor is none.
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
    fields.after = [`must hold ${order.join(" and ")} of a row`];
  }
  if (Object.keys(fields).length > 0) {
    throw new ValidationError(sentence(fields, "The page is wrong"), fields);
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
 * Refuses a list that was asked for as a whole and is too long to be one: better than cutting it
 * without a word.
 *
 * @throws {ValidationError} which names `pagination`.
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
