import { ValidationError } from "../errors.ts";
import { formFaults } from "../forms.ts";

/**
 * Reads the id of a row.
 *
 * @throws {ValidationError} where it is no UUID.
 */
export function parseId(id: unknown, field = "id"): string {
  const faults = formFaults("uuid", id);
  if (faults.length > 0)
    throw new ValidationError(`${field} ${faults.join()}`, { [field]: faults });
  return id as string;
}
