import { ConflictError, type CrmError } from "../errors/classes.ts";
import { fromPgError } from "../errors/from-postgres.ts";
import { constraints } from "../model/generated/constraints.ts";

/**
 * The error class that stands for an error of the database. Times in it are written as rows have
 * them, so that they can be compared as text.
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
