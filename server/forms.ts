import { readValue, scalars } from "./graphql/scalars.ts";
import { isObject } from "./rules.ts";
import type { ColumnType } from "./tables.ts";

/**
 * The types that the API reads in one documented form each, whatever else PostgreSQL would take.
 */
const scalarNames: Partial<Record<ColumnType, string>> = {
  bigint: "BigInt",
  date: "Date",
  numeric: "BigFloat",
  "timestamp with time zone": "Datetime",
  uuid: "UUID",
};

/**
 * What keeps a value from being one of a column's type at all, in the words of the GraphQL API.
 * Whether a value of the type is a good one is for the rules to say.
 *
 * @param type the column's type.
 * @param value anything but null and undefined.
 */
export function formFaults(type: ColumnType, value: unknown): string[] {
  const scalar = scalars[scalarNames[type] ?? ""];
  if (scalar !== undefined) {
    return readValue(scalar, value) === undefined ? [scalar.expectation] : [];
  }
  switch (type) {
    case "boolean":
      return typeof value === "boolean" ? [] : ["must be true or false"];
    case "integer":
      return isInteger(value) ? [] : ["must be a whole number below 2,147,483,648"];
    case "text":
      return typeof value === "string" ? unstorable(value) : ["must be text"];
    case "text[]":
      return isList(value) ? unstorable(value) : ["must be a list of texts"];
    default:
      return unstorable(value);
  }
}

function isInteger(value: unknown): boolean {
  return Number.isInteger(value) && Math.abs(value as number) < 2 ** 31;
}

function isList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((element: unknown) => element === null || typeof element === "string")
  );
}

/** What JSON or PostgreSQL cannot carry unchanged in a value, each fault once. */
function unstorable(value: unknown): string[] {
  return [...new Set(unstorableParts(value).map(({ message }) => message))];
}

/** A part of a value that cannot be stored. */
export interface UnstorablePart {
  /** The keys and indexes that lead to it; none, if it is the value itself. */
  readonly path: readonly string[];
  readonly message: string;
}

/** The parts of a value that JSON or PostgreSQL cannot carry unchanged. */
export function unstorableParts(value: unknown, path: readonly string[] = []): UnstorablePart[] {
  const faults = (message: string, isFault: boolean): UnstorablePart[] =>
    isFault ? [{ path, message }] : [];

  if (typeof value === "string") {
    return [
      ...faults("must not contain the character NUL", value.includes("\0")),
      ...faults("must be well-formed Unicode text", !value.isWellFormed()),
    ];
  }
  if (typeof value === "number") {
    return faults("must be a number that is not too large", !Number.isFinite(value));
  }
  if (Array.isArray(value)) {
    return value.flatMap((element, index) => unstorableParts(element, [...path, `${index}`]));
  }
  if (isObject(value) && Object.prototype.toString.call(value) === "[object Object]") {
    return Object.entries(value).flatMap(([key, member]) => [
      ...unstorableParts(key, path),
      ...(member === undefined ? [] : unstorableParts(member, [...path, key])),
    ]);
  }
  return faults("must be JSON that can be stored", typeof value !== "boolean" && value !== null);
}
