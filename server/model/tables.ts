/** The metadata of a table for the typed layer; generated from the catalog by `npm run generate`. */
export interface Table {
  /** The qualified name, for use in SQL. */
  readonly name: string;
  /** The entity type of its rows in the audit log: `custom_field_definition`. */
  readonly entityType: string;
  /** The field that identifies a row; `id` if not given. */
  readonly key?: string;
  /** Set if search finds its rows. */
  readonly searchable?: true;
  /** The columns, by the names of their fields in the API. */
  readonly columns: Readonly<Record<string, Column>>;
  /** The related rows, by the names of their fields in the API. */
  readonly relations: Readonly<Record<string, Relation>>;
  /** The rules that depend only on the row itself. */
  readonly checks: readonly Check[];
}

export interface Column {
  /** The name of the column in the database. */
  readonly name: string;
  readonly type: ColumnType;
  /** Whether the column is not null. */
  readonly required: boolean;
  /** Whether a client may set it in a new row. */
  readonly insertable: boolean;
  /** Whether a client may update it. */
  readonly updatable: boolean;
  /** The default in a new row. */
  readonly default?: string | number | boolean | readonly [] | Readonly<Record<string, never>>;
  /** Set if the database derives a value for null: `once` in new rows, `always` in updates too. */
  readonly derived?: "once" | "always";
  /** The table whose column `position` orders the values of this column, which are its keys. */
  readonly rank?: { readonly table: string; readonly key: string; readonly position: string };
}

/** Rows that are related to a row: those whose `key` equals its `column`. */
export interface Relation {
  /** The entity of the related rows. */
  readonly entity: string;
  readonly kind: "one" | "oneOrNone" | "many";
  /** The name of the column of this table. */
  readonly column: string;
  /** The name of the column of the related table. */
  readonly key: string;
}

export type ColumnType =
  | "bigint"
  | "boolean"
  | "crm.external_id[]"
  | "date"
  | "integer"
  | "jsonb"
  | "numeric"
  | "text"
  | "text[]"
  | "timestamp with time zone"
  | "uuid";

/**
 * A check constraint: its field, its rule, and the message for clients if it is violated.
 */
export type Check = Rule & {
  readonly constraint: string;
  readonly field: string;
  /** The message; `%s` stands for the faulty value. */
  readonly message: string;
};

/** The rules that check constraints can have. The generator fails for any other constraint. */
export type Rule =
  | { readonly rule: "notBlank" }
  | { readonly rule: "legible" }
  | { readonly rule: "ruly" }
  | { readonly rule: "elementsLegible" }
  | { readonly rule: "externalIdsLegible" }
  | { readonly rule: "membersRuly" }
  | { readonly rule: "maxLength"; readonly limit: number }
  | { readonly rule: "pattern"; readonly pattern: string }
  | { readonly rule: "oneOf"; readonly values: readonly string[] }
  | { readonly rule: "range"; readonly least: number; readonly most?: number }
  | { readonly rule: "days" }
  | { readonly rule: "future"; readonly years: number }
  | { readonly rule: "positive" }
  | { readonly rule: "decimals"; readonly limit: number }
  | { readonly rule: "below"; readonly limit: string }
  | { readonly rule: "list"; readonly least: number; readonly most: number }
  | { readonly rule: "elementsNotBlank" }
  | { readonly rule: "elementsMaxLength"; readonly limit: number }
  | { readonly rule: "elementsPattern"; readonly pattern: string }
  | { readonly rule: "elementsDistinct" }
  | { readonly rule: "externalIdsNotBlank" }
  | { readonly rule: "externalIdsMaxLength"; readonly source: number; readonly id: number }
  | { readonly rule: "object" }
  | { readonly rule: "keys"; readonly keys: readonly string[] }
  | { readonly rule: "membersText" }
  | { readonly rule: "membersMaxLength"; readonly limit: number }
  | { readonly rule: "presentFor"; readonly other: string; readonly values: readonly string[] }
  | { readonly rule: "onlyFor"; readonly other: string; readonly values: readonly string[] }
  | { readonly rule: "notWith"; readonly other: string }
  /** A rule that only the database checks. */
  | { readonly rule: "database" };
