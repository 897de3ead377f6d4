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
  const faults = new Set<string>();
  visit(value, (fault) => faults.add(fault));
  return [...faults];
}

function visit(value: unknown, report: (fault: string) => void): void {
  if (typeof value === "string") {
    if (value.includes("\0")) report("must not contain the character NUL");
    if (!value.isWellFormed()) report("must be well-formed Unicode text");
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) report("must be a number that is not too large");
  } else if (Array.isArray(value)) {
    for (const element of value) visit(element, report);
  } else if (isObject(value) && Object.prototype.toString.call(value) === "[object Object]") {
    for (const [key, member] of Object.entries(value)) {
      visit(key, report);
      if (member !== undefined) visit(member, report);
    }
  } else if (typeof value !== "boolean" && value !== null) {
    report("must be JSON that can be stored");
  }
}
