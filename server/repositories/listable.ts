import type { AuditLog, ExternalId, Rows } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import type { Table } from "../model/tables.ts";

/** A deleted row that can be restored. */
export interface TrashItem {
  /** The type in the audit log: `contact`, …, `custom_field_definition`. */
  entityType: string;
  /** The id of the row. The restored row has the same id. */
  entityId: string;
  /** A name, a title or the beginning of a text, by which people recognise the row. */
  label: string | null;
  deletedAt: string;
  deletedBy: string;
  /** The number of rows that were deleted with the row. They are restored with it. */
  cascadedRows: string;
  /** The transaction that deleted the row. To undo it restores everything that it deleted. */
  transactionId: string;
  /** The audit log entry of the deletion. */
  entryId: string;
}

/** The columns are read only. */
const readOnly = { required: true, insertable: false, updatable: false } as const;

/** The view `crm.trash`. */
const trashItem = {
  name: "crm.trash",
  entityType: "trash_item",
  key: "entryId",
  columns: {
    entityType: { name: "entity_type", type: "text", ...readOnly },
    entityId: { name: "entity_id", type: "uuid", ...readOnly },
    label: { name: "label", type: "text", ...readOnly, required: false },
    deletedAt: { name: "deleted_at", type: "timestamp with time zone", ...readOnly },
    deletedBy: { name: "deleted_by", type: "text", ...readOnly },
    cascadedRows: { name: "cascaded_rows", type: "bigint", ...readOnly },
    transactionId: { name: "transaction_id", type: "bigint", ...readOnly },
    entryId: { name: "entry_id", type: "bigint", ...readOnly },
  },
  relations: {},
  checks: [],
} as const satisfies Table;

/** Everything that can be listed: the tables, and the trash. */
const listable = { ...tables, trashItem };

type Listables = typeof listable;

/** The row types of everything that can be listed. */
export interface ListableRows extends Rows {
  auditLog: AuditLog;
  trashItem: TrashItem;
}

/** The name of something that can be listed: an entity, the audit log or the trash. */
export type ListableName = keyof ListableRows;

type Columns<Name extends ListableName> = Listables[Name]["columns"];
type Relations<Name extends ListableName> = Listables[Name]["relations"];

/** The fields of a row. */
export type FieldName<Name extends ListableName> = keyof Columns<Name> & keyof ListableRows[Name];

/** The type of the column of a field. */
export type TypeOf<
  Name extends ListableName,
  Field extends FieldName<Name>,
> = Columns<Name>[Field] extends { readonly type: infer Type } ? Type : never;

/** The value of a field, in a condition. */
export type ValueOf<Name extends ListableName, Field extends FieldName<Name>> =
  TypeOf<Name, Field> extends "numeric" | "bigint"
    ? string | number
    : TypeOf<Name, Field> extends "crm.external_id[]"
      ? ExternalId
      : NonNullable<ListableRows[Name][Field]>;

/** The relations of a row, of some kinds. */
export type RelationName<Name extends ListableName, Kind extends string = string> = {
  [Related in keyof Relations<Name>]: Relations<Name>[Related] extends { readonly kind: Kind }
    ? Related
    : never;
}[keyof Relations<Name>];

/** The entity of the rows of a relation. */
export type RelatedName<
  Name extends ListableName,
  Related extends PropertyKey,
> = Related extends keyof Relations<Name>
  ? Relations<Name>[Related] extends { readonly entity: infer Entity extends ListableName }
    ? Entity
    : never
  : never;

/** Returns the metadata of something that can be listed. */
export function tableOf(name: string): Table {
  const table = Object.hasOwn(listable, name) ? listable[name as ListableName] : undefined;
  if (table === undefined) throw new TypeError(`There is no table of ${name}`);
  return table;
}
