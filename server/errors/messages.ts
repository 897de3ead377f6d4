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

/** What clients are told about a constraint of the database; generated from its catalog. */
export interface Constraint {
  table: string;
  /** The fields that it is about, in the client's words. */
  fields: string[];
  /** What is wrong, in which `%s` stands for the faulty value. */
  message: string;
}

export type Constraints = Record<string, Constraint>;

/** What is said about input that PostgreSQL could not read, by SQLSTATE. */
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
const full = "The database has no room for this now; please try again in a while";
export const gone = "The database is not available; please try again in a while";

/**
 * What becomes of an error that has no words of its own, by SQLSTATE or by its class, the first two
 * characters. Here are classes of which no more is known than whose fault they are.
 */
export const general: Record<string, () => CrmError> = {
  "08": () => new UnavailableError(gone),
  "22": () => new ValidationError("A value is not valid", {}),
  "23": () => new ConstraintViolationError("A rule is broken", ""),
  "28": () => new UnavailableError(gone), // the server's own login is refused
  "25006": () => new ReadOnlyError("The database takes no changes at the moment"),
  "25P03": () => new TimeoutError(late),
  "25P04": () => new TimeoutError(late),
  "40": () => new ConflictError("Another change got in the way; please try again"),
  "53": () => new OverloadedError(full),
  "54": () => new ValidationError("This is more than the database can take at once", {}),
  "55P03": () => new TimeoutError("Another change held this for too long; please try again"),
  "57": () => new UnavailableError(gone),
  "57014": () => new TimeoutError(late),
};

/** One sentence out of all faults: `emails.1 "x" is not an email address; lastName is required`. */
export function sentence(fields: Fields, otherwise: string): string {
  const faults = Object.entries(fields).flatMap(([field, messages]) =>
    messages.map((message) => `${field} ${message}`),
  );
  return faults.length === 0 ? otherwise : faults.join("; ");
}

/** `company_id` in the database is `companyId` for a client. */
export function camelCase(column: string): string {
  return column.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** What a constraint says of the fields that break it. */
export function fieldsOf(constraint: Constraint | undefined): Fields {
  if (constraint === undefined) return {};
  // PostgreSQL tells the value in its own detail only, which is never trusted.
  const message = constraint.message.replaceAll("%s", "this");
  return Object.fromEntries(constraint.fields.map((field) => [field, [message]]));
}
