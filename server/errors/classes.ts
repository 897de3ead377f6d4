/** Every way an operation can fail, in the client's words. `docs/reference/errors.md` lists them. */
export type ErrorCode =
  | "VALIDATION_ERROR"
  | "NOT_FOUND"
  | "CONSTRAINT_VIOLATION"
  | "CONFLICT"
  | "FORBIDDEN"
  | "UNAUTHENTICATED"
  | "QUERY_TOO_COMPLEX"
  | "PAYLOAD_TOO_LARGE"
  | "RATE_LIMITED"
  | "TIMEOUT"
  | "OVERLOADED"
  | "UNAVAILABLE"
  | "READ_ONLY"
  | "COMMITTED"
  | "IN_DOUBT"
  | "INTERNAL";

/**
 * What is wrong, by what the client sent: `{"emails.1": ["\"x\" is not an email address"]}`. A field
 * has its name in the entity's input, an element of a list its position, from 0, a member of an
 * object its key.
 */
export type Fields = Record<string, string[]>;

/** What is current when a write was refused because somebody else changed the row. */
export interface Current {
  version: number;
  updatedBy: string;
  updatedAt: string;
}

/** Where an undo would have overwritten what somebody did since. */
export interface Conflict {
  /** As the audit log calls it: `deal`, `custom_field_definition`. */
  entityType: string;
  entityId: string;
  /** In the client's words: `stage`, `customFields.size`; `id` if the row itself is gone or back. */
  field: string;
  /** The value that was to be undone. */
  expected: unknown;
  /** The value that is there now. */
  found: unknown;
  changedBy: string | null;
  changedAt: string | null;
}

/** The places where an undo was refused: how many there are, and the first hundred of them. */
export interface Conflicts {
  count: number;
  conflicts: Conflict[];
}

/** The machine-readable part of an answer: `extensions` of a GraphQL error. */
export interface Extensions {
  code: ErrorCode;
  [key: string]: unknown;
}

/** An error that is safe to show to a client as it stands. */
export abstract class CrmError extends Error {
  abstract readonly code: ErrorCode;

  get extensions(): Extensions {
    return { code: this.code };
  }
}

export class ValidationError extends CrmError {
  override readonly name = "ValidationError";
  readonly code = "VALIDATION_ERROR";
  readonly fields: Fields;
  readonly constraint: string | undefined;

  constructor(message: string, fields: Fields, constraint?: string) {
    super(message);
    this.fields = fields;
    this.constraint = constraint;
  }

  override get extensions(): Extensions {
    return { code: this.code, fields: this.fields, ...optional("constraint", this.constraint) };
  }
}

export class NotFoundError extends CrmError {
  override readonly name = "NotFoundError";
  readonly code = "NOT_FOUND";
  readonly entityType: string;
  /** The id of what is not there, of several the first. */
  readonly entityId: string;
  /** The ids of all that is not there. */
  readonly entityIds: readonly string[];

  constructor(entityType: string, ...entityIds: readonly [string, ...string[]]) {
    super(`${entityType} with id ${entityIds.join(", ")} not found`);
    this.entityType = entityType;
    this.entityId = entityIds[0];
    this.entityIds = entityIds;
  }

  override get extensions(): Extensions {
    const { code, entityType, entityId: id, entityIds: ids } = this;
    return { code, entityType, id, ...(ids.length === 1 ? {} : { ids }) };
  }
}

export class ConstraintViolationError extends CrmError {
  override readonly name = "ConstraintViolationError";
  readonly code = "CONSTRAINT_VIOLATION";
  readonly constraint: string;
  readonly fields: Fields;

  constructor(message: string, constraint: string, fields: Fields = {}) {
    super(message);
    this.constraint = constraint;
    this.fields = fields;
  }

  override get extensions(): Extensions {
    return { code: this.code, ...optional("constraint", this.constraint), fields: this.fields };
  }
}

/**
 * Somebody else was faster: a version that is no longer current, something to be undone that was
 * changed since, a deadlock, a failed serialization.
 */
export class ConflictError extends CrmError {
  override readonly name = "ConflictError";
  readonly code = "CONFLICT";
  readonly current: Current | undefined;
  /** What an undo found changed; undefined for every other conflict. */
  readonly changed: Conflicts | undefined;

  constructor(message: string, current?: Current, changed?: Conflicts) {
    super(message);
    this.current = current;
    this.changed = changed;
  }

  override get extensions(): Extensions {
    return { code: this.code, ...optional("current", this.current), ...this.changed };
  }
}

export class ForbiddenError extends CrmError {
  override readonly name = "ForbiddenError";
  readonly code = "FORBIDDEN";
}

export class UnauthenticatedError extends CrmError {
  override readonly name = "UnauthenticatedError";
  readonly code = "UNAUTHENTICATED";

  /** The message is the same for whatever is wrong: none tells how to forge a better token. */
  constructor() {
    super("A valid bearer token is required");
  }
}

/** Something that is needed is away for now: the same request may succeed a little later. */
export class UnavailableError extends CrmError {
  override readonly name = "UnavailableError";
  readonly code = "UNAVAILABLE";

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** The limit that a request goes beyond: its name, its value, and what the request has. */
export interface Excess {
  limit: string;
  maximum: number;
  actual: number;
}

/** Something goes beyond a limit, which the answer names. */
abstract class LimitError<E extends Partial<Excess>> extends CrmError {
  readonly excess: E;

  constructor(message: string, excess: E) {
    super(message);
    this.excess = excess;
  }

  override get extensions(): Extensions {
    return { code: this.code, ...this.excess };
  }
}

/** A request asks for more than one request may; nothing of it was executed. */
export class QueryTooComplexError extends LimitError<Excess> {
  override readonly name = "QueryTooComplexError";
  readonly code = "QUERY_TOO_COMPLEX";
}

/** A request is larger than one of its kind may be. */
export class PayloadTooLargeError extends LimitError<Excess> {
  override readonly name = "PayloadTooLargeError";
  readonly code = "PAYLOAD_TOO_LARGE";
}

/** There were, or there are, too many of these from one side; a little later there may be room. */
export class RateLimitedError extends LimitError<Omit<Excess, "actual">> {
  override readonly name = "RateLimitedError";
  readonly code = "RATE_LIMITED";
}

/** It took longer than it may: the statement, or waiting for what another one holds. */
export class TimeoutError extends CrmError {
  override readonly name = "TimeoutError";
  readonly code = "TIMEOUT";
}

/** There is no room for this now; it was not done, and may be tried again in a while. */
export class OverloadedError extends CrmError {
  override readonly name = "OverloadedError";
  readonly code = "OVERLOADED";
}

/** The change was made; what was to be answered about it could not be read. To repeat it does it twice. */
export class CommittedError extends CrmError {
  override readonly name = "CommittedError";
  readonly code = "COMMITTED";
  /** What the answer failed by, as an error of its own would have said it. */
  readonly reason: unknown;

  constructor(message: string, reason: unknown) {
    super(message);
    this.reason = reason;
  }

  override get extensions(): Extensions {
    return { code: this.code, committed: true, reason: this.reason };
  }
}

/** The connection was lost while the change was under way: it may have been made, or not. */
export class InDoubtError extends CrmError {
  override readonly name = "InDoubtError";
  readonly code = "IN_DOUBT";

  constructor(cause?: unknown) {
    super("The connection to the database was lost; whether the change was made is not known", {
      cause,
    });
  }

  override get extensions(): Extensions {
    return { code: this.code, committed: "unknown" };
  }
}

/** The database takes no writes, as a standby does. */
export class ReadOnlyError extends CrmError {
  override readonly name = "ReadOnlyError";
  readonly code = "READ_ONLY";
}

/** What is wrong with one row of a bulk write. */
export interface RowFault {
  /** The position of the row in the input, from 0. */
  index: number;
  code: ErrorCode;
  fields: Fields;
}

/**
 * Rows of a bulk write are faulty, so none was written. The code is that of all the faults, or
 * `VALIDATION_ERROR` where they differ.
 */
export class BulkError extends CrmError {
  override readonly name = "BulkError";
  readonly code: ErrorCode;
  readonly faults: readonly RowFault[];
  /** The faults by where they are in the input: `contacts.17.lastName`. */
  readonly fields: Fields;

  /** @param list what the input calls the rows, such as `contacts`. */
  constructor(list: string, faults: readonly RowFault[]) {
    const fields = Object.fromEntries(
      faults.flatMap(({ index, fields }) =>
        Object.entries(fields).map(([field, messages]) => [`${list}.${index}.${field}`, messages]),
      ),
    );
    const [first = ["", []]] = Object.entries(fields);
    const count = faults.length === 1 ? "One row is" : `${faults.length} rows are`;
    super(`${count} faulty: ${first[0]} ${first[1].join(", ")}${faults.length === 1 ? "" : "; …"}`);
    const [code = "VALIDATION_ERROR", ...others] = new Set(faults.map((fault) => fault.code));
    this.code = others.length === 0 ? code : "VALIDATION_ERROR";
    this.faults = faults;
    this.fields = fields;
  }

  override get extensions(): Extensions {
    return { code: this.code, fields: this.fields, faults: this.faults };
  }
}

/** Something that no client caused. The original is for the log, never for an answer. */
export class DatabaseError extends CrmError {
  override readonly name = "DatabaseError";
  readonly code = "INTERNAL";
  readonly originalError: Error;

  constructor(message: string, originalError: Error) {
    super(message, { cause: originalError });
    this.originalError = originalError;
  }
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined || value === "" ? {} : ({ [key]: value } as Record<K, V>);
}
