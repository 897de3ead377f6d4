import { ValidationError } from "../errors/classes.ts";
import { typeFaults } from "../model/column-types.ts";
import type { ColumnType } from "../model/tables.ts";

/**
 * Returns the id of a row.
 *
 * @param id the id.
 * @param field the name of the field in the error.
 * @throws {ValidationError} if it is not a UUID.
 */
export function parseId(id: unknown, field = "id"): string {
  return parseAs("uuid", id, field) as string;
}

/** @throws {ValidationError} if a value is not a text. */
export function parseText(value: unknown, field: string): string {
  return parseAs("text", value, field) as string;
}

/** @throws {ValidationError} if a value is not a list of texts. */
export function parseTexts(values: unknown, field: string): readonly string[] {
  return parseAs("text[]", values, field) as readonly string[];
}

/** @throws {ValidationError} if a value is not a time with its zone. */
export function parseTime(value: unknown, field: string): string {
  return parseAs("timestamp with time zone", value, field) as string;
}

function parseAs(type: ColumnType, value: unknown, field: string): unknown {
  const messages = typeFaults(type, value).map(({ message }) => message);
  if (messages.length > 0) {
    throw new ValidationError(`${field} ${messages.join()}`, { [field]: messages });
  }
  return value;
}
