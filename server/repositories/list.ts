import type { Table } from "../model/tables.ts";
import { makeConditions } from "./filters.ts";
import { makePage, type Pagination } from "./pagination.ts";
import { rowJson, type Statement } from "./sql.ts";

/**
 * Makes the statement that reads a part of a table.
 *
 * @param order the fields that the list is ordered by, which together are unique.
 * @throws {ValidationError} where a filter or the page is wrong.
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
