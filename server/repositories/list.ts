import type { Table } from "../model/tables.ts";
import { makeConditions } from "./filters.ts";
import { makePage, type Pagination } from "./pagination.ts";
import { rowJson, type Statement } from "./sql.ts";

/**
 * Returns the statement that reads a filtered page of a table.
 *
 * @param table the table.
 * @param order the fields to order by, which together are unique.
 * @param filters the conditions by field.
 * @param pagination the page; see {@link makePage}.
 * @throws {ValidationError} if a filter or the page is not valid.
 */
export function listStatement(
  table: Table,
  order: readonly string[],
  filters: object,
  pagination: Pagination<object> | undefined,
): Statement {
  const values: unknown[] = [];
  const conditions = makeConditions(table, filters, values);
  const page = makePage(table, order, pagination, values);
  const text = `
    select ${rowJson(table, "t")}::text as row
    from ${table.name} as t
    where ${["true", ...conditions, ...page.conditions].join(" and ")}
    order by ${page.orderBy}
    ${page.limit}`;
  return { text, values };
}
