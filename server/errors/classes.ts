/** The codes of errors, as clients receive them. `docs/reference/errors.md` describes them. */
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
  | "SCHEMA_CHANGED"
  | "UNAVAILABLE"
  | "READ_ONLY"
  | "COMMITTED"
  | "IN_DOUBT"
  | "INTERNAL";

/**
 * Messages by field of the input: `{"emails.1": ["\"x\" is not an email address"]}`. A path consists of
 * the name of a field in the entity's input, the position of a list element from 0, or the key of an
 * object member.
 */
export type Fields = Record<string, string[]>;

/** The current version of a row that another user changed before the refused write. */
export interface Current {
  version: number;
  updatedBy: string;
  updatedAt: string;
}

/** A field in which an undo would have overwritten a later change. */
export interface Conflict {
  /** The entity type as in the audit log: `deal`, `custom_field_definition`. */
  entityType: string;
  entityId: string;
  /** The client's name: `stage`, `customFields.size`; `id` if the row itself was deleted or restored. */
  field: string;
  /** The value that the undo expected to find. */
  expected: unknown;
  /** The current value. */
  found: unknown;
  changedBy: string | null;
  changedAt: string | null;
}

/** The conflicts of a refused undo: their number, and the first hundred. */
export interface Conflicts {
  count: number;
  conflicts: Conflict[];
}

/** The machine-readable part of an error: `extensions` of a GraphQL error. */
export interface Extensions {
  code: ErrorCode;
  [key: string]: unknown;
}

/** An error that can be shown to a client unchanged. */
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
  /** The id of the row that does not exist; of several rows, the first id. */
  readonly entityId: string;
  /** The ids of all rows that do not exist. */
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
 * A conflict with another change: an outdated version, an undo of something that was changed later, a
 * deadlock, or a serialization failure.
 */
export class ConflictError extends CrmError {
  override readonly name = "ConflictError";
  readonly code = "CONFLICT";
  readonly current: Current | undefined;
  /** The conflicts of an undo; undefined for every other error. */
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

  /** The message is always the same, so that it gives no help in forging a token. */
  constructor() {
    super("A valid bearer token is required");
  }
}

/** A service that is needed cannot be reached. The same request may succeed later. */
export class UnavailableError extends CrmError {
  override readonly name = "UnavailableError";
  readonly code = "UNAVAILABLE";

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** The limit that a request exceeds: its name, its value, and the value of the request. */
export interface Excess {
  limit: string;
  maximum: number;
  actual: number;
}

/** A limit is exceeded. The response names the limit. */
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

/** An operation exceeds a limit of complexity. It was not executed. */
export class QueryTooComplexError extends LimitError<Excess> {
  override readonly name = "QueryTooComplexError";
  readonly code = "QUERY_TOO_COMPLEX";
}

/** A request is larger than its kind of request may be. */
export class PayloadTooLargeError extends LimitError<Excess> {
  override readonly name = "PayloadTooLargeError";
  readonly code = "PAYLOAD_TOO_LARGE";
}

/** A client has sent too many requests, or has too many connections. It may try again later. */
export class RateLimitedError extends LimitError<Omit<Excess, "actual">> {
  override readonly name = "RateLimitedError";
  readonly code = "RATE_LIMITED";
}

/** A statement, or its wait for a lock, exceeded its timeout. */
export class TimeoutError extends CrmError {
  override readonly name = "TimeoutError";
  readonly code = "TIMEOUT";
}

/** Resources are exhausted. The request was not executed, and may be repeated later. */
export class OverloadedError extends CrmError {
  override readonly name = "OverloadedError";
  readonly code = "OVERLOADED";
}

/**
 * The definition of a custom field changed while the request was executed by the schema from before. The
 * request was not executed, and may be repeated at once.
 */
export class SchemaChangedError extends CrmError {
  override readonly name = "SchemaChangedError";
  readonly code = "SCHEMA_CHANGED";

  constructor(cause?: unknown) {
    super("A custom field was changed at this moment; please try again", { cause });
  }
}

/** The change was committed, but its result could not be read. To repeat the request repeats the change. */
export class CommittedError extends CrmError {
  override readonly name = "CommittedError";
  readonly code = "COMMITTED";
  /** The error that prevented the result, in the form of an error response. */
  readonly reason: unknown;

  constructor(message: string, reason: unknown) {
    super(message);
    this.reason = reason;
  }

  override get extensions(): Extensions {
    return { code: this.code, committed: true, reason: this.reason };
  }
}

/** The connection was lost during the commit. The change may or may not have been made. */
export class InDoubtError extends CrmError {
  override readonly name = "InDoubtError";
  readonly code = "IN_DOUBT";

  constructor(cause?: unknown) {
    super("The connection to the database was lost; the change may or may not have been made", {
      cause,
    });
  }

  override get extensions(): Extensions {
    return { code: this.code, committed: "unknown" };
  }
}

/** The database is read-only, such as a standby. */
export class ReadOnlyError extends CrmError {
  override readonly name = "ReadOnlyError";
  readonly code = "READ_ONLY";
}

/** The faults of one row of a bulk write. */
export interface RowFault {
  /** The position of the row in the input, from 0. */
  index: number;
  code: ErrorCode;
  fields: Fields;
}

/**
 * Rows of a bulk write are faulty, so none was written. The code is that of the faults, or
 * `VALIDATION_ERROR` if the codes differ.
 */
export class BulkError extends CrmError {
  override readonly name = "BulkError";
  readonly code: ErrorCode;
  readonly faults: readonly RowFault[];
  /** The faults by their path in the input: `contacts.17.lastName`. */
  readonly fields: Fields;

  /**
   * @param list the name of the rows in the input, such as `contacts`.
   * @param faults at least one.
   */
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

/** An internal error. The original error is for the log only, never for a response. */
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
