import { ValidationError } from "../errors/classes.ts";
import { typeFaults } from "../model/column-types.ts";

/**
 * Returns the id of a row.
 *
 * @param id the id.
 * @param field the name of the field in the error.
 * @throws {ValidationError} if it is not a UUID.
 */
export function parseId(id: unknown, field = "id"): string {
  const messages = typeFaults("uuid", id).map(({ message }) => message);
  if (messages.length > 0) {
    throw new ValidationError(`${field} ${messages.join()}`, { [field]: messages });
  }
  return id as string;
}
