import { createHash } from "node:crypto";

import { type Fields, ValidationError } from "../errors/classes.ts";
import { sentence } from "../errors/messages.ts";
import type { Ordered, Ordering } from "./orders.ts";
import type { Draft } from "./sql.ts";

/** The maximum number of rows that are read at once. */
export const maxRows = 1000;

/** The size of a page for which none is given. */
export const defaultRows = 100;

/** A part of a list. */
export interface PageOptions {
  /** The number of rows, from the beginning or after `after`: from 0 to 1000. */
  readonly first?: number | undefined;
  /** The number of rows, from the end or before `before`: from 0 to 1000. */
  readonly last?: number | undefined;
  /** The `endCursor` of the previous page of the same list. */
  readonly after?: string | undefined;
  /** The `startCursor` of the next page of the same list. */
  readonly before?: string | undefined;
  /** The number of rows to skip. Deep in a long list, `after` is much faster. */
  readonly offset?: number | undefined;
}

/** A page of a list, with the cursors from which the pages next to it are found. */
export interface Page<Row> {
  readonly rows: Row[];
  /** The cursor of the first row, for `before`; null if there is none. */
  readonly startCursor: string | null;
  /** The cursor of the last row, for `after`; null if there is none. */
  readonly endCursor: string | null;
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
}

/** The SQL of a page. */
export interface PageSql {
  readonly condition: string | undefined;
  readonly orderBy: string;
  readonly limit: string;
  /** The values of a row in its order, as an array of JSON. */
  readonly position: string;
  /** Whether the rows are read from the end. */
  readonly isBackward: boolean;
  /** The number of rows of the page. One more is read. */
  readonly size: number;
  /** Returns the cursor of a position. */
  readonly cursorOf: (position: Position) => string;
}

/** The values of a row in the expressions of the order, as texts of PostgreSQL. */
export type Position = readonly (string | null)[];

/**
 * Returns the SQL of a page. It is found by the values of the row before it, so that pages in a row contain
 * each row once, however many there are.
 *
 * @param list the name of the list, which its cursors belong to.
 * @throws {ValidationError} if a size or a cursor is not valid.
 */
export function pageSql(
  draft: Draft,
  list: string,
  { orderings }: Ordered,
  options: PageOptions,
): PageSql {
  const { first, last, after, before, offset } = options;
  const fields: Fields = {};
  const refuse = (field: string, message: string) => (fields[field] ??= []).push(message);
  for (const [field, size] of Object.entries({ first, last })) {
    if (size !== undefined && !isCount(size, maxRows))
      refuse(field, `must be a whole number from 0 to ${maxRows}`);
  }
  if (first !== undefined && last !== undefined) refuse("last", "cannot be combined with first");
  if (offset !== undefined && !isCount(offset, Number.MAX_SAFE_INTEGER))
    refuse("offset", "must be a whole number, 0 or more");
  if (offset !== undefined && last !== undefined) refuse("offset", "cannot be combined with last");

  const digest = digestOf(list, orderings);
  const conditions: string[] = [];
  for (const [side, cursor] of Object.entries({ after, before })) {
    if (cursor == null) continue;
    const position = readCursor(cursor, digest, orderings.length);
    if (position === undefined) refuse(side, "must be a cursor of this list, in the same order");
    else conditions.push(beyond(draft, orderings, position, side === "after"));
  }
  if (Object.keys(fields).length > 0) {
    throw new ValidationError(sentence(fields, "The page is not valid"), fields);
  }

  const isBackward = last !== undefined;
  const size = first ?? last ?? maxRows;
  return {
    condition: conditions.length > 0 ? conditions.join(" and ") : undefined,
    orderBy: orderings
      .map(({ sql, direction }) => `${sql} ${isBackward ? opposite[direction] : direction}`)
      .join(", "),
    limit: `limit ${draft.bind(size + 1, "bigint")} offset ${draft.bind(offset ?? 0, "bigint")}`,
    // JSON has one format of times and dates, whatever the settings of the session.
    position: `json_build_array(${orderings.map(({ sql }) => `to_jsonb(${sql}) #>> '{}'`).join(", ")})`,
    isBackward,
    size,
    cursorOf: (position) =>
      Buffer.from(JSON.stringify([digest, ...position])).toString("base64url"),
  };
}

/**
 * Returns the page of rows that were read.
 *
 * @param found the rows and their positions, in the order in which they were read.
 */
export function pageOf<Row>(
  { isBackward, size, cursorOf }: PageSql,
  found: readonly { readonly row: Row; readonly position: Position }[],
  { after, before, offset = 0 }: PageOptions,
): Page<Row> {
  const isMore = found.length > size;
  const listed = found.slice(0, size);
  if (isBackward) listed.reverse();
  const cursor = (item: (typeof listed)[number] | undefined) =>
    item === undefined ? null : cursorOf(item.position);
  return {
    rows: listed.map(({ row }) => row),
    startCursor: cursor(listed[0]),
    endCursor: cursor(listed.at(-1)),
    hasNextPage: isBackward ? before != null : isMore,
    hasPreviousPage: isBackward ? isMore : after != null || offset > 0,
  };
}

/**
 * Refuses a list that was read without a size and is too long, instead of truncating it silently.
 *
 * @throws {ValidationError} for the field `first`.
 */
export function refuseTooMany(found: readonly unknown[], path = "first"): void {
  if (found.length <= maxRows) return;
  const fields = { [path]: [`is required, because there are more than ${maxRows} rows`] };
  throw new ValidationError(sentence(fields, "The list is too long"), fields);
}

const opposite = { asc: "desc", desc: "asc" } as const;

function isCount(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

/** Identifies the order of a list, so that a cursor of another list or order is refused. */
function digestOf(list: string, orderings: readonly Ordering[]): string {
  const text = JSON.stringify([list, ...orderings.map(({ sql, direction }) => [sql, direction])]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 10);
}

function readCursor(cursor: unknown, digest: string, length: number): Position | undefined {
  if (typeof cursor !== "string") return undefined;
  let values: unknown;
  try {
    values = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(values) || values.length !== length + 1 || values[0] !== digest)
    return undefined;
  const position: unknown[] = values.slice(1);
  return position.every(isText) ? position : undefined;
}

function isText(value: unknown): value is string | null {
  return value === null || (typeof value === "string" && !value.includes("\0"));
}

/** Returns the condition for the rows after or before a position. */
function beyond(
  draft: Draft,
  orderings: readonly Ordering[],
  position: Position,
  isAfter: boolean,
): string {
  const parts = orderings.map((ordering, i) => {
    const { sql, type, direction, nullable } = ordering;
    const value = position[i] ?? null;
    const operator = (direction === "asc") === isAfter ? ">" : "<";
    // Rows without a value are last in ascending order, first in descending order.
    const nullsAreBeyond = nullable && operator === ">";
    if (value === null) {
      const isBeyond = operator === ">" ? "false" : `${sql} is not null`;
      return { sql, value: "null", operator, isPlain: false, isBeyond, isEqual: `${sql} is null` };
    }
    const parameter = draft.bind(value, type);
    const isFurther = `${sql} ${operator} ${parameter}`;
    return {
      ...{ sql, value: parameter, operator, isPlain: !nullsAreBeyond },
      isBeyond: nullsAreBeyond ? `(${isFurther} or ${sql} is null)` : isFurther,
      isEqual: `${sql} = ${parameter}`,
    };
  });
  // A row comparison can use an index to find the first row.
  if (parts.every(({ isPlain, operator }) => isPlain && operator === parts[0]?.operator)) {
    const list = (of: "sql" | "value") => parts.map((part) => part[of]).join(", ");
    return `(${list("sql")}) ${parts[0]?.operator ?? ""} (${list("value")})`;
  }
  return parts.reduceRight(
    (rest, { isBeyond, isEqual }) => `(${isBeyond} or (${isEqual} and ${rest}))`,
    "false",
  );
}
