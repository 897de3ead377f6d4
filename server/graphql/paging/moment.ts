import { TYPES, type PgCodecAttribute, type PgSelectQueryBuilder } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { decode, type Order } from "./cursor.ts";

/** The rows of a list, as seen by the orders that a client names. */
export interface OrderedRows extends Pick<PgSelectQueryBuilder, "alias" | "orderBy"> {
  /** The current time for orders; see {@link Moment}. */
  readonly now: () => SQL;
  /**
   * Returns the alias of the hits of the search that the rows are limited to.
   *
   * @throws {ValidationError} if there is no search.
   */
  readonly hits: () => SQL;
  /**
   * Joins another table, once for each name.
   *
   * @returns the alias of the other table.
   */
  joined(name: string, join: Join): SQL;
}

interface Join {
  /** An inner join lets the planner begin with the other table; every row must have a match. */
  readonly type: "inner" | "left";
  readonly from: SQL;
  /** Whether it references the row. */
  readonly lateral?: boolean;
  /** The join condition; by default all rows match. */
  readonly condition?: (other: SQL) => SQL;
}

/**
 * The time for an order by a duration that lasts until now. It is the time of the first page, and is stored
 * in the cursors: with the time of each page, rows would move past the cursor between pages.
 */
export interface Moment {
  /** Returns the time, and adds it to the orders. */
  now(): SQL;
  isUsed(): boolean;
  /** Equal for all rows: it does not affect the order, and is stored in every cursor. */
  readonly order: Order;
}

/** @param cursor of the page; its time is used, if it has one. */
export function createMoment(cursor: string | null | undefined): Moment {
  const [, first] = (cursor == null ? undefined : decode(cursor)) ?? [];
  const known: unknown = Array.isArray(first) ? first[1] : undefined;
  const fragment = typeof known === "string" ? sql`${sql.value(known)}::timestamptz` : sql`now()`;
  let isUsed = false;
  return {
    now() {
      isUsed = true;
      return fragment;
    },
    isUsed: () => isUsed,
    order: {
      ...{ fragment, codec: TYPES.timestamptz, direction: "ASC", nulls: "LAST", nullable: false },
    },
  };
}

/**
 * Returns the expression of a duration that may last until now, for a column with the smart tag
 * `@untilNow entered_at left_at`.
 */
export function untilNow(attribute: PgCodecAttribute): ((row: SQL, now: SQL) => SQL) | undefined {
  const tag = attribute.extensions?.tags?.untilNow;
  if (typeof tag !== "string") return undefined;
  const [begin = "", end = ""] = tag.split(" ");
  return (row, now) =>
    sql`coalesce(${row}.${sql.identifier(end)}, ${now}) - ${row}.${sql.identifier(begin)}`;
}
