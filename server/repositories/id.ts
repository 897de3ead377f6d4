import { ValidationError } from "../errors/classes.ts";
import { typeFaults } from "../model/column-types.ts";

/**
 * Reads the id of a row.
 *
 * @throws {ValidationError} where it is no UUID.
 */
export function parseId(id: unknown, field = "id"): string {
  const messages = typeFaults("uuid", id).map(({ message }) => message);
  if (messages.length > 0) {
    throw new ValidationError(`${field} ${messages.join()}`, { [field]: messages });
  }
  return id as string;
}
