/** What the typed layer knows of a table; read from the catalog by `npm run generate`. */
export interface Table {
  /** Schema and name, ready for SQL. */
  readonly name: string;
  /** What the audit log calls a row of it: `custom_field_definition`. */
  readonly entityType: string;
  /** By the name that clients know a column by. */
  readonly columns: Readonly<Record<string, Column>>;
  /** The rules that a row can answer for by itself. */
  readonly checks: readonly Check[];
}

export interface Column {
  /** The name in the database. */
  readonly name: string;
  readonly type: ColumnType;
  /** Holds a value always. */
  readonly required: boolean;
  /** A client may give it to a new row. */
  readonly insertable: boolean;
  /** A client may change it. */
  readonly updatable: boolean;
  /** What a new row holds where the client gives nothing. */
  readonly default?: string | number | boolean | readonly [] | Readonly<Record<string, never>>;
  /** The database finds a value for null: `once` where a row is new, `always` in an update too. */
  readonly derived?: "once" | "always";
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
 * A check constraint: which field it is about, what it asks, and what a client reads where it is
 * broken.
 */
export type Check = Rule & {
  readonly constraint: string;
  readonly field: string;
  /** In which `%s` stands for the faulty value. */
  readonly message: string;
};

/** What a check constraint can ask. The generator refuses a constraint that asks anything else. */
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
  /** What only the database is asked. */
  | { readonly rule: "database" };
