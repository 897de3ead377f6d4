import { ConflictError, type CrmError } from "../errors/classes.ts";
import { fromPgError } from "../errors/from-postgres.ts";
import { constraints } from "../model/generated/constraints.ts";

/**
 * Converts an error of the database to an error of the typed layer. Its times have the same format as in
 * rows, so that they can be compared as text.
 */
export function typedError(error: Error): CrmError {
  const known = fromPgError(error, constraints);
  if (!(known instanceof ConflictError)) return known;
  const { message, current, changed } = known;
  return new ConflictError(
    message,
    current && { ...current, updatedAt: asRowsHaveIt(current.updatedAt) },
    changed && {
      ...changed,
      conflicts: changed.conflicts.map((conflict) => ({
        ...conflict,
        changedAt: conflict.changedAt && asRowsHaveIt(conflict.changedAt),
      })),
    },
  );
}

function asRowsHaveIt(time: string): string {
  return time.replace(/\+00:00$/, "Z");
}
