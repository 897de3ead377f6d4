import { TYPES, type PgCodecAttribute, type PgSelectQueryBuilder } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { decode, type Order } from "./cursor.ts";

/** The rows of a list as the orders that a client names find them. */
export interface OrderedRows extends Pick<PgSelectQueryBuilder, "alias" | "orderBy"> {
  /** The time that orders go by; see {@link Moment}. */
  readonly now: () => SQL;
  /**
   * Joins another table, once under each name.
   *
   * @returns what the other table is called.
   */
  joined(name: string, join: Join): SQL;
}

interface Join {
  /** An inner one lets the planner begin with the other table, where each row has one there. */
  readonly type: "inner" | "left";
  readonly from: SQL;
  /** Whether it refers to the row. */
  readonly lateral?: boolean;
  /** Which of its rows belong to the row; absent, all do. */
  readonly condition?: (other: SQL) => SQL;
}

/**
 * The time of an order that goes by what lasts until now: that of the first page, which the cursors take
 * along. By the time of each page the rows would have moved on meanwhile, past the cursor.
 */
export interface Moment {
  /** The time, which is an order from now on. */
  now(): SQL;
  isUsed(): boolean;
  /** Equal for all rows, so it orders nothing and is in every cursor. */
  readonly order: Order;
}

/** @param cursor that of the page, whose moment goes on. */
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
 * How long something lasted, or has lasted until now: what a column says by the smart tag
 * `@untilNow entered_at left_at`.
 */
export function untilNow(attribute: PgCodecAttribute): ((row: SQL, now: SQL) => SQL) | undefined {
  const tag = attribute.extensions?.tags?.untilNow;
  if (typeof tag !== "string") return undefined;
  const [begin = "", end = ""] = tag.split(" ");
  return (row, now) =>
    sql`coalesce(${row}.${sql.identifier(end)}, ${now}) - ${row}.${sql.identifier(begin)}`;
}
