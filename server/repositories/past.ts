import type pg from "pg";

import type { AuditLog, JsonValue, Rows } from "../model/generated/rows.ts";
import type { EntityName } from "../model/schemas.ts";
import type { Execute } from "./execute.ts";
import type { Filter } from "./filters.ts";
import { parseId, parseTime } from "./id.ts";
import { createReader, type ListPart } from "./list.ts";
import { tableOf } from "./listable.ts";
import { rowJson, valueJson } from "./sql.ts";

/** A value of a field, and the period in which the field had it. */
export interface FieldValue {
  /** The value, as JSON. Null if the field had none. */
  readonly value: JsonValue;
  readonly validFrom: string;
  /** When another value was set or the row was deleted. Null if this is the current value. */
  readonly validUntil: string | null;
  readonly setBy: string;
  /** The channel through which the value was set: `api`, `import` or `sql`. */
  readonly source: string;
  /** The audit log entry that records the value. */
  readonly entryId: string;
  /** Whether the value was erased, and is no longer known. */
  readonly erased: boolean;
}

/** Reads the past of the rows of one table. */
export interface Past<Entity extends EntityName> {
  /**
   * Returns the audit log entries of the row, and of rows that were merged into it, the oldest first. Only
   * `crm_admin` may read those of a deleted row.
   *
   * @throws {ValidationError} if there are more than 1000 entries and neither `first` nor `last`.
   */
  history(
    id: string,
    options?: ListPart<"auditLog"> & { readonly filter?: Filter<"auditLog"> | undefined },
    client?: pg.ClientBase,
  ): Promise<AuditLog[]>;
  /**
   * Returns every value that a field of the row had, the oldest first.
   *
   * @param field the name in the API; a custom field is `customFields.<name>`.
   * @throws {ValidationError} if there is no such field.
   */
  fieldHistory(id: string, field: string, client?: pg.ClientBase): Promise<FieldValue[]>;
  /**
   * Returns the row as it was at an instant; null if it did not exist then.
   *
   * @param at a time with its zone, such as `2026-01-31T09:30:00Z`.
   */
  asOf(id: string, at: string, client?: pg.ClientBase): Promise<Rows[Entity] | null>;
}

/** Creates the reader of the past of an entity. */
export function createPast<Entity extends EntityName>(
  execute: Execute,
  entity: Entity,
): Past<Entity> {
  const table = tableOf(entity);
  const { entityType } = table;
  const period = (column: string) => valueJson(`period.${column}`, "timestamp with time zone");
  const texts = {
    fieldHistory: `
      select json_build_object(
        'value', period.value, 'validFrom', ${period("valid_from")},
        'validUntil', ${period("valid_until")}, 'setBy', period.set_by, 'source', period.source,
        'entryId', period.entry_id::text, 'erased', period.erased
      )::text as row
      from crm.field_history($1, $2::uuid, $3) as period`,
    asOf: `
      select ${rowJson(table, "record")}::text as row
      from crm.${entityType}_as_of($1::uuid, $2::timestamptz) as record
      where record.id is not null`,
  };

  return {
    async history(id, { filter, ...options } = {}, client) {
      const parsed = parseId(id);
      const reader = createReader(
        execute,
        "auditLog",
        (alias, draft) => `${alias}.entity_type = '${entityType}' and ${alias}.entity_id = any (
          crm_private.merged_ids('${entityType}', ${draft.bind(parsed, "uuid")})
        )`,
      );
      return reader.findAll(filter, options, client);
    },

    async fieldHistory(id, field, client) {
      const values = [entityType, parseId(id), field];
      return execute<FieldValue>({ text: texts.fieldHistory, values }, undefined, client);
    },

    async asOf(id, at, client) {
      const values = [parseId(id), parseTime(at, "at")];
      const [row] = await execute<Rows[Entity]>({ text: texts.asOf, values }, undefined, client);
      return row ?? null;
    },
  };
}
