import type pg from "pg";

import { type Conflict, ValidationError } from "../errors/classes.ts";
import { parseUserId, type Role } from "../postgres/pool.ts";
import { createExecute, onlyRow } from "./execute.ts";
import { parseId } from "./id.ts";

/** What was done to undo something, or to restore it. */
export interface Reversal {
  /** The transaction that did it, and by which it can be undone. */
  readonly transactionId: string;
  /** How many rows were brought back. */
  readonly restored: number;
  /** How many rows had fields put back. */
  readonly changed: number;
  /** How many rows were deleted. */
  readonly deleted: number;
  /**
   * What is not as it was before: what was changed since and left, what has no place any more, and what
   * leads elsewhere now. At most 1,000.
   */
  readonly kept: Conflict[];
  /** How much is not as it was before, also where `kept` has not all of it. */
  readonly keptCount: number;
}

/**
 * What is done where something was changed since: nothing at all (`REFUSE`), the rest (`SKIP`), or
 * everything, over later changes (`FORCE`, for the role `crm_admin` only).
 */
export const conflictResolutions = ["REFUSE", "SKIP", "FORCE"] as const;

/** One of {@link conflictResolutions}. */
export type ConflictResolution = (typeof conflictResolutions)[number];

export interface UndoOptions {
  /** What is done where something was changed since; `REFUSE`, unless given. */
  readonly onConflict?: ConflictResolution | undefined;
}

/**
 * Puts back what was done, all of it or nothing. Undoing is a change like others, in the audit log, and can
 * be undone by its `transactionId`.
 *
 * Every call throws a `ConflictError` that tells in `changed` what was changed since (unless
 * `onConflict` says otherwise), a `NotFoundError` if there is nothing of that id, and a `ValidationError` where a rule of today forbids
 * the value that would come back, or it has been erased.
 */
export interface Undo {
  /** Undoes what one audit log entry did to its row. */
  undoEntry(
    entryId: string,
    userId: string,
    options?: UndoOptions,
    client?: pg.ClientBase,
  ): Promise<Reversal>;
  /**
   * Puts a field back to the value that it had before an audit log entry.
   *
   * @param entityType as the audit log calls it: `contact`, …, `custom_field_definition`.
   * @param field as the API calls it; a custom field is `customFields.<name>`.
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
  /** Undoes everything that one transaction did: a bulk edit, an import, a merge. */
  undoTransaction(
    transactionId: string,
    userId: string,
    options?: UndoOptions,
    client?: pg.ClientBase,
  ): Promise<Reversal>;
  /**
   * Brings back a deleted row with everything that its deletion took. Links that lead elsewhere by now
   * stay, and are in `kept`.
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

/** @throws {ValidationError} for what is none. */
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

/** Makes the calls of `crm.undo_entry` and its like. */
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
