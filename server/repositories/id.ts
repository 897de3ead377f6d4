import { ValidationError } from "../errors/classes.ts";
import { formFaults } from "../model/forms.ts";

/**
 * Reads the id of a row.
 *
 * @throws {ValidationError} where it is no UUID.
 */
export function parseId(id: unknown, field = "id"): string {
  const messages = formFaults("uuid", id).map(({ message }) => message);
  if (messages.length > 0) {
    throw new ValidationError(`${field} ${messages.join()}`, { [field]: messages });
  }
  return id as string;
}
