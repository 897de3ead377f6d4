import { z } from "zod";

import { parseAsWritten } from "../model/exact-json.ts";
import { isUnreachable } from "../postgres/away.ts";
import {
  BulkError,
  ConflictError,
  ConstraintViolationError,
  CrmError,
  type Current,
  DatabaseError,
  type Fields,
  ForbiddenError,
  NotFoundError,
  type RowFault,
  UnavailableError,
  ValidationError,
} from "./classes.ts";
import {
  camelCase,
  type Constraint,
  type Constraints,
  fieldsOf,
  general,
  gone,
  sentence,
  unreadable,
} from "./messages.ts";

/** The parts of an error of the `pg` driver that determine the error for the client. */
interface PgError extends Error {
  code: string;
  schema?: string | undefined;
  table?: string | undefined;
  column?: string | undefined;
  constraint?: string | undefined;
  detail?: string | undefined;
}

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
 * Converts an error of PostgreSQL, or of the connection, into an error for a client. This is the only
 * such conversion.
 *
 * A message is one that the product itself raised (recognized by the errcode, the schema `crm` and a JSON
 * detail), the message of a constraint, or a fixed sentence. PostgreSQL's own message and detail quote
 * rows and statements, so they are never passed on: an unknown error becomes a `DatabaseError`.
 *
 * @param constraints the messages of constraints by name.
 */
export function fromPgError(error: Error, constraints: Constraints): CrmError {
  if (error instanceof CrmError) return error;
  if (!isPgError(error)) {
    return isUnreachable(error)
      ? new UnavailableError(gone)
      : new DatabaseError("The database could not be queried", error);
  }
  const { code, constraint = "" } = error;
  const faults = bulkFaults(error);
  if (faults !== undefined) return new BulkError(error.table ?? "rows", faults);
  const known = constraints[constraint] ?? uniqueCustomField(error);
  const fields = raisedFields(error) ?? fieldsOf(known);

  switch (code) {
    case "23514":
      return new ValidationError(sentence(fields, "A rule is violated"), fields, constraint);
    case "23502":
      return required(error);
    case "23503":
    case "23001":
      return isStillReferenced(error)
        ? new ConstraintViolationError(`This is still used by ${error.table}`, constraint)
        : new ConstraintViolationError(
            sentence(fields, "A referenced row does not exist"),
            constraint,
            fields,
          );
    case "23505":
    case "23P01":
      return new ConstraintViolationError(
        sentence(fields, "This already exists"),
        constraint,
        fields,
      );
    case "P0002":
      return raisedNotFound(error) ?? new DatabaseError("The database found no row", error);
    case "CRM01":
      return new ConflictError(
        "Somebody else has changed this since you read it",
        raisedCurrent(error),
      );
    case "CRM02":
      return new ConflictError(
        "This was changed later, so it was not undone",
        undefined,
        conflictsSchema.safeParse(json(error.detail)).data,
      );
    case "42501":
      return new ForbiddenError("You are not allowed to do this");
  }
  const message = unreadable[code];
  if (message !== undefined) return new ValidationError(message, {});
  const make = general[code] ?? general[code.slice(0, 2)];
  return make?.() ?? new DatabaseError("The database reported an unexpected error", error);
}

function isPgError(error: Error): error is PgError {
  return "code" in error && typeof error.code === "string" && "severity" in error;
}

function required({ column = "" }: PgError): ValidationError {
  const fields: Fields = column === "" ? {} : { [camelCase(column)]: ["is required"] };
  return new ValidationError(sentence(fields, "A value is required"), fields);
}

/**
 * Returns the constraint of a unique custom field, which is created with the definition and contains the
 * name of the field; undefined for every other constraint.
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

/** Returns the fields that the product's own `raise` names; undefined for every other error. */
function raisedFields({ schema, detail }: PgError): Fields | undefined {
  if (schema !== "crm") return undefined;
  return fieldsSchema.safeParse(json(detail)).data;
}

/** Returns the faults of rows of a failed bulk write; undefined for every other error. */
export function bulkFaults(error: unknown): RowFault[] | undefined {
  if (!(error instanceof Error)) return undefined;
  const { schema, detail } = error as PgError;
  if (schema !== "crm" || !detail?.startsWith('{"faults"')) return undefined;
  return faultsSchema.safeParse(json(detail)).data?.faults;
}

function raisedCurrent({ detail }: PgError): Current | undefined {
  return currentSchema.safeParse(json(detail)).data;
}

/** Returns the rows that the product's own `raise` reports as missing. */
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
 * A foreign key is violated from either end, with the same SQLSTATE. The number of names that the message
 * quotes distinguishes them in every language: table and constraint if the referenced row does not exist,
 * and the other table too if the row is still referenced.
 */
function isStillReferenced({ code, message }: PgError): boolean {
  return code === "23001" || (message.match(/["«»„“”]/g)?.length ?? 0) > 4;
}
