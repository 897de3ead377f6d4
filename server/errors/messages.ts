import {
  ConflictError,
  ConstraintViolationError,
  type CrmError,
  type Fields,
  OverloadedError,
  ReadOnlyError,
  TimeoutError,
  UnavailableError,
  ValidationError,
} from "./classes.ts";

/** The message of a constraint for clients; generated from the catalog. */
export interface Constraint {
  table: string;
  /** The fields that it concerns, by the client's names. */
  fields: string[];
  /** The fault; `%s` stands for the faulty value. */
  message: string;
}

export type Constraints = Record<string, Constraint>;

/** The messages for input that PostgreSQL could not read, by SQLSTATE. */
export const unreadable: Record<string, string> = {
  "2201W": "A page cannot have a negative number of rows",
  "2201X": "A page cannot begin before the first row",
  "22001": "A text is too long",
  "22003": "A number is out of range",
  "22007": "A date or time is not valid",
  "22008": "A date or time is out of range",
  "22021": "A text contains a character that cannot be stored, such as NUL",
  "22025": "A pattern ends with an escape character",
  "22P02": "A value has the wrong form for its type",
  "22P05": "A text contains a character that cannot be stored, such as NUL",
  "54000": "A value is too large",
};

const late = "This took too long and was ended";
const full = "The database is out of resources at the moment; please try again in a while";
export const gone = "The database is not available; please try again in a while";

/**
 * The errors without a message of their own, by SQLSTATE or by its class, the first two characters.
 * About a class, no more is known than whether the client caused the error.
 */
export const general: Record<string, () => CrmError> = {
  "08": () => new UnavailableError(gone),
  "22": () => new ValidationError("A value is not valid", {}),
  "23": () => new ConstraintViolationError("A rule is violated", ""),
  "28": () => new UnavailableError(gone), // the login of the server itself was refused
  "25006": () => new ReadOnlyError("The database is read-only at the moment"),
  "25P03": () => new TimeoutError(late),
  "25P04": () => new TimeoutError(late),
  "40": () => new ConflictError("This conflicted with another change; please try again"),
  "53": () => new OverloadedError(full),
  "54": () => new ValidationError("This exceeds a limit of the database", {}),
  "55P03": () =>
    new TimeoutError("This was locked by another change for too long; please try again"),
  "57": () => new UnavailableError(gone),
  "57014": () => new TimeoutError(late),
};

/**
 * Joins all faults into a sentence: `emails.1 "x" is not an email address; lastName is required`.
 *
 * @param places the names of fields in the sentence, if they differ.
 */
export function sentence(
  fields: Fields,
  otherwise: string,
  places: ReadonlyMap<string, string> = new Map(),
): string {
  const faults = Object.entries(fields).flatMap(([field, messages]) =>
    messages.map((message) => `${places.get(field) ?? field} ${message}`),
  );
  return faults.length === 0 ? otherwise : faults.join("; ");
}

/** Converts the name of a column to that of a field: `company_id` to `companyId`. */
export function camelCase(column: string): string {
  return column.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Returns the message of a constraint for each of its fields. */
export function fieldsOf(constraint: Constraint | undefined): Fields {
  if (constraint === undefined) return {};
  // The faulty value is only in PostgreSQL's own detail, which is never passed on.
  const message = constraint.message.replaceAll("%s", "this");
  return Object.fromEntries(constraint.fields.map((field) => [field, [message]]));
}
