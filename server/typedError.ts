import { ConflictError, type CrmError, fromPgError } from "./errors.ts";
import { constraints } from "./generated/constraints.ts";

/**
 * The error class that stands for an error of the database. Times in it are written as rows have
 * them, so that they can be compared as text.
 */
export function typedError(error: Error): CrmError {
  const known = fromPgError(error, constraints);
  if (!(known instanceof ConflictError) || known.current === undefined) return known;
  const updatedAt = known.current.updatedAt.replace(/\+00:00$/, "Z");
  return new ConflictError(known.message, { ...known.current, updatedAt });
}
