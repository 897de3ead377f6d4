import { createHash } from "node:crypto";

import type { PgCodec } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { ValidationError } from "../../errors/classes.ts";
import { Recent } from "../../recent.ts";

/** One expression of an order. */
export interface Order {
  readonly fragment: SQL;
  readonly codec: PgCodec;
  readonly direction: "ASC" | "DESC";
  readonly nulls: "FIRST" | "LAST";
  readonly nullable: boolean;
}

/** The values of a row in the expressions of the order, as text of PostgreSQL. */
export type Position = readonly (string | null)[];

/** The side of a cursor on which the page lies. */
export type Side = "after" | "before";

/**
 * Returns a digest that identifies the order of a list, so that a cursor of another list or order is
 * refused.
 */
export function digestOf(orders: readonly string[]): string {
  const text = orders.join();
  return (
    digests.get(text) ??
    digests.set(text, createHash("sha256").update(text).digest("base64url").slice(0, 10))
  );
}

/** The digests of orders; each request needs those of its lists. */
const digests = new Recent<string, string>(500);

/**
 * Creates a codec that puts the value of an order into a cursor. The value stays the text that PostgreSQL
 * writes: parsed into a number, an interval or a list, it could change on its way to the client and back.
 * Null is a value like any other.
 *
 * @param digest of the whole order; it is stored with the first value of a cursor.
 */
export function cursorCodec(codec: PgCodec, digest?: string): PgCodec {
  return {
    ...codec,
    castFromPg: (fragment) => sql`(${fragment})::text`,
    fromPg: (text: string | null) => (digest === undefined ? text : [digest, text]),
  };
}

/**
 * Reads a cursor.
 *
 * @param length the number of its values.
 * @throws {ValidationError} if it is no cursor, or one of another list or order.
 */
export function readCursor(cursor: string, side: Side, digest: string, length: number): Position {
  const values = decode(cursor);
  const [, first, ...rest] = values ?? [];
  if (Array.isArray(first) && first[0] === digest && first.length === 2) {
    const position: unknown[] = [first[1], ...rest];
    if (position.length === length && position.every(isText)) return position;
  }
  throw invalidCursor(side);
}

/** Creates the error that refuses a cursor. */
export function invalidCursor(side: Side): ValidationError {
  const expectation = "must be a cursor of this list, in the same order";
  return new ValidationError(`${side} ${expectation}`, { [side]: [expectation] });
}

/** Decodes a cursor; undefined if it is none. */
export function decode(cursor: string): unknown[] | undefined {
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, "base64").toString());
    return Array.isArray(values) ? values : undefined;
  } catch {
    return undefined;
  }
}

/** Returns whether a value is one of a cursor. */
export function isText(value: unknown): value is string | null {
  return value === null || (typeof value === "string" && !value.includes("\0"));
}

/** Returns the condition for the rows after or before a position. At least one order must be unique. */
export function beyond(orders: readonly Order[], position: Position, side: Side): SQL {
  const parts = orders.map((order, i) => partOf(order, position[i] ?? null, side));
  return beyondParts(parts);
}

/** One order compared with the value that a cursor has for it. */
interface Part {
  /** Whether rows with null are neither beyond nor equal, so that a row comparison is correct. */
  readonly isPlain: boolean;
  readonly comparator: SQL;
  readonly fragment: SQL;
  readonly value: SQL;
  readonly isBeyond: SQL;
  readonly isEqual: SQL;
}

function partOf({ fragment, codec, ...order }: Order, text: string | null, side: Side): Part {
  const comparator = (order.direction === "ASC") === (side === "after") ? sql`>` : sql`<`;
  // Nulls are beyond any value if they are last, going forward, or first, going back.
  const nullsAreBeyond = (order.nulls === "LAST") === (side === "after");
  const value = sql`${sql.value(text)}::${codec.sqlType}`;
  if (text === null) {
    return {
      ...{ isPlain: false, comparator, fragment, value },
      isBeyond: nullsAreBeyond ? sql.false : sql`${fragment} is not null`,
      isEqual: sql`${fragment} is null`,
    };
  }
  const isPlain = !(nullsAreBeyond && order.nullable);
  const isFurther = sql`${fragment} ${comparator} ${value}`;
  return {
    ...{ isPlain, comparator, fragment, value },
    isBeyond: isPlain ? isFurther : sql`(${isFurther} or ${fragment} is null)`,
    isEqual: sql`${fragment} = ${value}`,
  };
}

function beyondParts(parts: readonly Part[]): SQL {
  const [part, ...rest] = parts;
  if (part === undefined) return sql.false;
  // A row comparison can use an index to find the first row.
  const isTuple = parts.every((p) => p.isPlain && p.comparator === part.comparator);
  if (isTuple) {
    const fragments = sql.join(
      parts.map(({ fragment }) => fragment),
      ", ",
    );
    const values = sql.join(
      parts.map(({ value }) => value),
      ", ",
    );
    return sql`(${fragments}) ${part.comparator} (${values})`;
  }
  return sql`(${part.isBeyond} or (${part.isEqual} and ${beyondParts(rest)}))`;
}
