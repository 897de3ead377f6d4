import { readValue, scalars } from "./scalars.ts";
import { type Fault, isObject } from "./rules.ts";
import type { ColumnType } from "./tables.ts";

/**
 * The column types that the API accepts in one documented format, although PostgreSQL would accept more.
 */
const scalarNames: Partial<Record<ColumnType, string>> = {
  bigint: "BigInt",
  date: "Date",
  numeric: "BigFloat",
  "timestamp with time zone": "Datetime",
  uuid: "ID",
};

/**
 * Returns the faults of a value that does not have the type of its column, in the words of the GraphQL API.
 * Rules are not checked.
 *
 * @param type the type of the column.
 * @param value any value except null and undefined.
 */
export function typeFaults(type: ColumnType, value: unknown): Fault[] {
  const scalar = scalars[scalarNames[type] ?? ""];
  if (scalar !== undefined) {
    return readValue(scalar, value) === undefined ? whole(scalar.expectation) : [];
  }
  switch (type) {
    case "boolean":
      return typeof value === "boolean" ? [] : whole("must be true or false");
    case "integer":
      return isInteger(value) ? [] : whole("must be a whole number below 2,147,483,648");
    case "text":
      return typeof value === "string" ? unstorableParts(value) : whole("must be text");
    case "text[]":
      return Array.isArray(value)
        ? value.flatMap((element, index) => elementFaults(element, index))
        : whole("must be a list of texts");
    case "crm.external_id[]":
      return Array.isArray(value)
        ? value.flatMap((element, index) => externalIdFaults(element, index))
        : whole("must be a list of external ids");
    default:
      return unstorableParts(value);
  }
}

/** Accepts a missing source or id: a rule checks them. */
function externalIdFaults(value: unknown, index: number): Fault[] {
  if (value === null) return [];
  if (!isObject(value)) return [{ path: [index], message: "must be an object" }];
  return Object.entries(value).flatMap(([key, part]) => {
    const path = [index, key];
    if (key !== "source" && key !== "id") {
      return [{ path, message: "is not a field that can be given here" }];
    }
    if (part === null || part === undefined) return [];
    return typeof part === "string"
      ? unstorableParts(part, path)
      : [{ path, message: "must be text" }];
  });
}

function isInteger(value: unknown): boolean {
  return Number.isInteger(value) && Math.abs(value as number) < 2 ** 31;
}

function elementFaults(element: unknown, index: number): Fault[] {
  if (element === null) return [];
  return typeof element === "string"
    ? unstorableParts(element, [index])
    : [{ path: [index], message: "must be text" }];
}

function whole(message: string): Fault[] {
  return [{ path: [], message }];
}

/** Returns the parts of a value that JSON or PostgreSQL cannot represent exactly. */
function unstorableParts(value: unknown, path: Fault["path"] = []): Fault[] {
  const faults = (message: string, isFault: boolean): Fault[] =>
    isFault ? [{ path, message }] : [];

  if (typeof value === "string") {
    return [
      ...faults("must not contain the character NUL", value.includes("\0")),
      ...faults("must be well-formed Unicode text", !value.isWellFormed()),
    ];
  }
  if (typeof value === "number") {
    return faults("must be a number that JSON holds exactly", !Number.isFinite(value));
  }
  if (Array.isArray(value)) {
    return value.flatMap((element, index) => unstorableParts(element, [...path, index]));
  }
  if (isObject(value) && Object.prototype.toString.call(value) === "[object Object]") {
    return Object.entries(value).flatMap(([key, member]) => [
      ...unstorableParts(key, path),
      ...(member === undefined ? [] : unstorableParts(member, [...path, key])),
    ]);
  }
  return faults("must be JSON that can be stored", typeof value !== "boolean" && value !== null);
}
