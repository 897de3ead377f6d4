import type pg from "pg";

import { type Conflict, ValidationError } from "../errors/classes.ts";
import { parseUserId, type Role } from "../postgres/pool.ts";
import { createExecute, onlyRow } from "./execute.ts";
import { parseId } from "./id.ts";

/** The result of an undo, or of restoring a row. */
export interface Reversal {
  /** The transaction of the undo, by which it can itself be undone. */
  readonly transactionId: string;
  /** The number of deleted rows that were restored. */
  readonly restored: number;
  /** The number of rows with fields that were set back. */
  readonly changed: number;
  /** The number of rows that were deleted. */
  readonly deleted: number;
  /**
   * The fields that do not have their earlier values: because they were changed later and kept, because they
   * no longer exist, or because they now reference another row. At most 1,000.
   */
  readonly kept: Conflict[];
  /** The number of all such fields, even if it exceeds that of `kept`. */
  readonly keptCount: number;
}

/**
 * The treatment of later changes: undo nothing (`REFUSE`), undo the rest (`SKIP`), or overwrite them
 * (`FORCE`, for the role `crm_admin` only).
 */
export const conflictResolutions = ["REFUSE", "SKIP", "FORCE"] as const;

/** One of {@link conflictResolutions}. */
export type ConflictResolution = (typeof conflictResolutions)[number];

export interface UndoOptions {
  /** The treatment of later changes; by default `REFUSE`. */
  readonly onConflict?: ConflictResolution | undefined;
}

/**
 * Undoes changes, all or none. An undo is recorded in the audit log like any other change, and can be undone
 * by its `transactionId`.
 *
 * Every call throws a `ConflictError` with the later changes in `changed`, unless `onConflict` allows them; a
 * `NotFoundError` if there is no entry or transaction with the id; and a `ValidationError` if the earlier
 * value violates a current rule, or was erased.
 */
export interface Undo {
  /** Undoes the change of one audit log entry. */
  undoEntry(
    entryId: string,
    userId: string,
    options?: UndoOptions,
    client?: pg.ClientBase,
  ): Promise<Reversal>;
  /**
   * Sets a field to the value that it had before an audit log entry.
   *
   * @param entityType the type in the audit log: `contact`, …, `custom_field_definition`.
   * @param field the name in the API; a custom field is `customFields.<name>`.
   */
  undoField(
    entityType: string,
    entityId: string,
    field: string,
    entryId: string,
    userId: string,
    options?: UndoOptions,
    client?: pg.ClientBase,
  ): Promise<Reversal>;
  /** Undoes all changes of one transaction, such as a bulk edit, an import or a merge. */
  undoTransaction(
    transactionId: string,
    userId: string,
    options?: UndoOptions,
    client?: pg.ClientBase,
  ): Promise<Reversal>;
  /**
   * Restores a deleted row with the rows that were deleted with it. References that were changed since stay
   * as they are, and are listed in `kept`.
   *
   * @throws {ConstraintViolationError} if the row is not deleted.
   */
  restoreDeleted(
    entityType: string,
    entityId: string,
    userId: string,
    client?: pg.ClientBase,
  ): Promise<Reversal>;
}

/** @throws {ValidationError} if the value is not a resolution. */
function parseResolution(value: ConflictResolution): ConflictResolution {
  if (conflictResolutions.includes(value)) return value;
  const message = `must be one of ${conflictResolutions.join(", ")}`;
  throw new ValidationError(`onConflict ${message}`, { onConflict: [message] });
}

const textOf = (call: string) => `
  select json_build_object(
    'transactionId', r.transaction_id::text, 'restored', r.restored, 'changed', r.changed,
    'deleted', r.deleted, 'kept', r.kept, 'keptCount', r.kept_count
  )::text as row
  from ${call} as r`;

const texts = {
  entry: textOf("crm.undo_entry($1::bigint, $2::crm.conflict_resolution)"),
  field: textOf(
    "crm.undo_field($1::text, $2::uuid, $3::text, $4::bigint, $5::crm.conflict_resolution)",
  ),
  transaction: textOf("crm.undo_transaction($1::bigint, $2::crm.conflict_resolution)"),
  deletion: textOf("crm.restore_deleted($1::text, $2::uuid)"),
};

/** Creates the calls of `crm.restore_deleted` and of the functions `crm.undo_…`. */
export function createUndo(pool: pg.Pool, role: Role): Undo {
  const execute = createExecute(pool, role);
  const call = async (text: string, values: unknown[], userId: string, client?: pg.ClientBase) =>
    onlyRow(await execute<Reversal>({ text, values }, parseUserId(userId), client));
  return {
    undoEntry: async (entryId, userId, { onConflict = "REFUSE" } = {}, client) =>
      call(texts.entry, [entryId, parseResolution(onConflict)], userId, client),
    undoField: async (
      entityType,
      entityId,
      field,
      entryId,
      userId,
      { onConflict = "REFUSE" } = {},
      client,
    ) =>
      call(
        texts.field,
        [entityType, parseId(entityId, "entityId"), field, entryId, parseResolution(onConflict)],
        userId,
        client,
      ),
    undoTransaction: async (transactionId, userId, { onConflict = "REFUSE" } = {}, client) =>
      call(texts.transaction, [transactionId, parseResolution(onConflict)], userId, client),
    restoreDeleted: async (entityType, entityId, userId, client) =>
      call(texts.deletion, [entityType, parseId(entityId)], userId, client),
  };
}
