import { z } from "zod";

import { parseAsWritten } from "./exactJson.ts";

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
  /** As the journal calls it: `deal`, `custom_field_definition`. */
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

/** What clients are told about a constraint of the database; generated from its catalog. */
export interface Constraint {
  table: string;
  /** The fields that it is about, in the client's words. */
  fields: string[];
  /** What is wrong, in which `%s` stands for the faulty value. */
  message: string;
}

export type Constraints = Record<string, Constraint>;

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

/** A request asks for more than one request may; nothing of it was executed. */
export class QueryTooComplexError extends CrmError {
  override readonly name = "QueryTooComplexError";
  readonly code = "QUERY_TOO_COMPLEX";
  readonly excess: Excess;

  constructor(message: string, excess: Excess) {
    super(message);
    this.excess = excess;
  }

  override get extensions(): Extensions {
    return { code: this.code, ...this.excess };
  }
}

/** A request is larger than one of its kind may be. */
export class PayloadTooLargeError extends CrmError {
  override readonly name = "PayloadTooLargeError";
  readonly code = "PAYLOAD_TOO_LARGE";
  readonly excess: Excess;

  constructor(message: string, excess: Excess) {
    super(message);
    this.excess = excess;
  }

  override get extensions(): Extensions {
    return { code: this.code, ...this.excess };
  }
}

/** There were, or there are, too many of these from one side; a little later there may be room. */
export class RateLimitedError extends CrmError {
  override readonly name = "RateLimitedError";
  readonly code = "RATE_LIMITED";
  readonly excess: Omit<Excess, "actual">;

  constructor(message: string, excess: Omit<Excess, "actual">) {
    super(message);
    this.excess = excess;
  }

  override get extensions(): Extensions {
    return { code: this.code, ...this.excess };
  }
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

/** The parts of an error of the `pg` driver that decide what a client is told. */
interface PgError extends Error {
  code: string;
  schema?: string | undefined;
  table?: string | undefined;
  column?: string | undefined;
  constraint?: string | undefined;
  detail?: string | undefined;
}

/** What is said about input that PostgreSQL could not read, by SQLSTATE. */
const unreadable: Record<string, string> = {
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
const gone = "The database is not available; please try again in a while";

/**
 * What becomes of an error that has no words of its own, by SQLSTATE or by its class, the first two
 * characters. Here are classes of which no more is known than whose fault they are.
 */
const general: Record<string, () => CrmError> = {
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

/** What the operating system says where the database cannot be reached, or was cut off. */
const unreachable = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

const fieldsSchema = z.record(z.string(), z.array(z.string()).min(1));
const faultsSchema = z.object({
  faults: z.array(
    z.object({
      index: z.int(),
      code: z.enum(["VALIDATION_ERROR", "CONSTRAINT_VIOLATION", "NOT_FOUND", "CONFLICT"]),
      fields: fieldsSchema,
    }),
  ),
});
const absentSchema = z.object({ entityType: z.string(), ids: z.tuple([z.string()], z.string()) });
const currentSchema = z.object({
  version: z.int(),
  updatedBy: z.string(),
  updatedAt: z.string(),
});

const conflictsSchema = z.object({
  count: z.int(),
  conflicts: z.array(
    z.object({
      entityType: z.string(),
      entityId: z.string(),
      field: z.string(),
      expected: z.unknown(),
      found: z.unknown(),
      changedBy: z.string().nullable(),
      changedAt: z.string().nullable(),
    }),
  ),
});

/**
 * The one mapping from an error of PostgreSQL to an error for a client.
 *
 * A message is either one that the product itself raised (errcode, schema `crm` and a JSON detail
 * prove it), one that belongs to a constraint, or a fixed sentence. PostgreSQL's own message and
 * detail quote rows and statements, so they are never passed on: what is not known here is a
 * `DatabaseError`.
 */
export function fromPgError(error: Error, constraints: Constraints): CrmError {
  if (error instanceof CrmError) return error;
  if (!isPgError(error)) {
    return isCutOff(error)
      ? new UnavailableError(gone)
      : new DatabaseError("The database could not be asked", error);
  }
  const { code, constraint = "" } = error;
  const faults = bulkFaults(error);
  if (faults !== undefined) return new BulkError(error.table ?? "rows", faults);
  const known = constraints[constraint] ?? uniqueCustomField(error);
  const fields = raisedFields(error) ?? fieldsOf(known);

  switch (code) {
    case "23514":
      return new ValidationError(sentence(fields, "A rule is broken"), fields, constraint);
    case "23502":
      return required(error);
    case "23503":
    case "23001":
      return isStillReferenced(error)
        ? new ConstraintViolationError(`This is still used by ${error.table}`, constraint)
        : new ConstraintViolationError(
            sentence(fields, "A link leads nowhere"),
            constraint,
            fields,
          );
    case "23505":
    case "23P01":
      return new ConstraintViolationError(
        sentence(fields, "This exists already"),
        constraint,
        fields,
      );
    case "P0002":
      return raisedNotFound(error) ?? new DatabaseError("The database found nothing", error);
    case "CRM01":
      return new ConflictError("Somebody else changed this meanwhile", raisedCurrent(error));
    case "CRM02":
      return new ConflictError(
        "This was changed since, so it was not undone",
        undefined,
        conflictsSchema.safeParse(json(error.detail)).data,
      );
    case "42501":
      return new ForbiddenError("You are not allowed to do this");
  }
  const message = unreadable[code];
  if (message !== undefined) return new ValidationError(message, {});
  const make = general[code] ?? general[code.slice(0, 2)];
  return make?.() ?? new DatabaseError("The database refused unexpectedly", error);
}

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

function isPgError(error: Error): error is PgError {
  return "code" in error && typeof error.code === "string" && "severity" in error;
}

/** The driver gives no code to a connection that ends while it is in use. */
function isCutOff(error: Error): boolean {
  if ("code" in error && unreachable.has(String(error.code))) return true;
  return error.message.startsWith("Connection terminated");
}

function required({ column = "" }: PgError): ValidationError {
  const fields: Fields = column === "" ? {} : { [camelCase(column)]: ["is required"] };
  return new ValidationError(sentence(fields, "A value is required"), fields);
}

/** What a constraint says of the fields that break it. */
export function fieldsOf(constraint: Constraint | undefined): Fields {
  if (constraint === undefined) return {};
  // PostgreSQL tells the value in its own detail only, which is never trusted.
  const message = constraint.message.replaceAll("%s", "this");
  return Object.fromEntries(constraint.fields.map((field) => [field, [message]]));
}

/**
 * The constraint of a custom field that is unique, which is made when the field is defined and says
 * in its name which one it is; undefined for every other constraint.
 */
export function uniqueCustomField({
  schema,
  table,
  constraint,
}: Pick<PgError, "schema" | "table" | "constraint">): Constraint | undefined {
  const [, plural, name] =
    /^(contacts|companies|deals)_custom_([A-Za-z]\w*)_unique$/.exec(constraint ?? "") ?? [];
  return schema === "crm" && plural !== undefined && plural === table
    ? { table: plural, fields: [`customFields.${String(name)}`], message: "is taken" }
    : undefined;
}

/** The fields that the product's own `raise` names; undefined for every other error. */
function raisedFields({ schema, detail }: PgError): Fields | undefined {
  if (schema !== "crm") return undefined;
  return fieldsSchema.safeParse(json(detail)).data;
}

/** The faulty rows of a bulk write. */
/** The faults of rows that a bulk write ended with; undefined, if it ended with something else. */
export function bulkFaults(error: unknown): RowFault[] | undefined {
  if (!(error instanceof Error)) return undefined;
  const { schema, detail } = error as PgError;
  if (schema !== "crm" || !detail?.startsWith('{"faults"')) return undefined;
  return faultsSchema.safeParse(json(detail)).data?.faults;
}

function raisedCurrent({ detail }: PgError): Current | undefined {
  return currentSchema.safeParse(json(detail)).data;
}

/** What the product's own `raise` says is not there. */
function raisedNotFound({ schema, detail }: PgError): NotFoundError | undefined {
  const absent = schema === "crm" ? absentSchema.safeParse(json(detail)).data : undefined;
  return absent && new NotFoundError(absent.entityType, ...absent.ids);
}

function json(text: string | undefined): unknown {
  try {
    return parseAsWritten(text ?? "");
  } catch {
    return undefined;
  }
}

/**
 * A foreign key is broken from either end, with one SQLSTATE. The names that the message quotes
 * tell which, in every language: table and constraint where the link leads nowhere, the other table
 * too where a row is still linked to.
 */
function isStillReferenced({ code, message }: PgError): boolean {
  return code === "23001" || (message.match(/["«»„“”]/g)?.length ?? 0) > 4;
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined || value === "" ? {} : ({ [key]: value } as Record<K, V>);
}
