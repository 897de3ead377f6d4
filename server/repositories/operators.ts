import type { ColumnType, Table } from "../model/tables.ts";
import type { Draft } from "./sql.ts";

/** The operators of a value that can be compared. */
export interface ComparisonOperators<Value> {
  /** Whether there is no value. */
  readonly isNull?: boolean | undefined;
  readonly equalTo?: Value;
  readonly notEqualTo?: Value;
  /** Not equal; a row without a value is found, too. */
  readonly distinctFrom?: Value;
  readonly notDistinctFrom?: Value;
  readonly in?: readonly Value[];
  readonly notIn?: readonly Value[];
  readonly lessThan?: Value;
  readonly lessThanOrEqualTo?: Value;
  readonly greaterThan?: Value;
  readonly greaterThanOrEqualTo?: Value;
}

type Part = "includes" | "startsWith" | "endsWith" | "like";
type Insensitive = "equalTo" | "notEqualTo" | "distinctFrom" | "notDistinctFrom";

/**
 * The operators of a text. `like` takes a pattern of PostgreSQL with `%` and `_`, the others a text. Those
 * that end with `Insensitive` ignore case, in every script.
 */
export interface TextOperators<Value extends string = string>
  extends ComparisonOperators<Value>, Readonly<Partial<Record<TextOperator, string>>> {
  readonly inInsensitive?: readonly string[];
  readonly notInInsensitive?: readonly string[];
}

type PartOperator = Part | `not${Capitalize<Part>}`;
type TextOperator = PartOperator | `${PartOperator | Insensitive}Insensitive`;

/** The operators of a list of texts. */
export interface ListOperators {
  readonly isNull?: boolean | undefined;
  readonly equalTo?: readonly string[];
  readonly notEqualTo?: readonly string[];
  readonly contains?: readonly string[];
  readonly containedBy?: readonly string[];
  readonly overlaps?: readonly string[];
  readonly anyEqualTo?: string;
  /** Ignores case. Phone numbers match in any notation, email addresses with any form of their domain. */
  readonly containsInsensitive?: readonly string[];
  /** As `containsInsensitive`. */
  readonly anyEqualToInsensitive?: string;
}

/** The operators of JSON: custom fields, and the address of a company. */
export interface JsonOperators<Value> {
  readonly isNull?: boolean | undefined;
  readonly equalTo?: Value;
  readonly notEqualTo?: Value;
  readonly contains?: Partial<Value>;
  readonly containedBy?: Value;
  readonly containsKey?: string;
  readonly containsAllKeys?: readonly string[];
  readonly containsAnyKeys?: readonly string[];
}

/** The operators of external ids. */
export interface ExternalIdOperators<ExternalId> {
  /** Whether the row has this external id. */
  readonly anyEqualTo?: ExternalId;
}

/** The operators by the type of the column. */
export type OperatorsOf<Type, Value> = Type extends "text"
  ? TextOperators<Value & string>
  : Type extends "text[]"
    ? ListOperators
    : Type extends "jsonb"
      ? JsonOperators<Value>
      : Type extends "crm.external_id[]"
        ? ExternalIdOperators<Value>
        : ComparisonOperators<Value>;

/** The column that an operator is about. */
export interface Operated {
  readonly draft: Draft;
  readonly table: Table;
  /** The alias of the table. */
  readonly alias: string;
  /** The name of the column. */
  readonly column: string;
  /** The expression of the column. */
  readonly sql: string;
}

/** One operator: the type of its operand, and the condition. */
export interface Operator {
  /** The type of the operand, or of its elements; that of the column if not given. */
  readonly type?: ColumnType | "boolean" | "externalId";
  /** Whether the operand is a list. */
  readonly isList?: boolean;
  /** Whether the operand is a pattern of LIKE. */
  readonly isPattern?: boolean;
  condition(column: Operated, operand: unknown, type: ColumnType): string;
}

/** Returns an operator that compares with an operand of the type of the column. */
function comparison(operator: string): Operator {
  return {
    condition: ({ draft, sql }, value, type) => `${sql} ${operator} ${draft.bind(value, type)}`,
  };
}

const isNull: Operator = {
  type: "boolean",
  condition: ({ sql }, value) => `${sql} is ${value === true ? "" : "not "}null`,
};

const equality = {
  isNull,
  equalTo: comparison("="),
  notEqualTo: comparison("<>"),
};

const comparisons: Readonly<Record<string, Operator>> = {
  ...equality,
  distinctFrom: comparison("is distinct from"),
  notDistinctFrom: comparison("is not distinct from"),
  lessThan: comparison("<"),
  lessThanOrEqualTo: comparison("<="),
  greaterThan: comparison(">"),
  greaterThanOrEqualTo: comparison(">="),
  in: {
    isList: true,
    condition: ({ draft, sql }, value, type) => `${sql} = any (${draft.bind(value, `${type}[]`)})`,
  },
  notIn: {
    isList: true,
    // PostgreSQL searches the list by a hash only if a subquery returns it.
    condition: ({ draft, sql }, value, type) =>
      `not (${sql} = any (select unnest(${draft.bind(value, `${type}[]`)})))`,
  },
};

/** Folds case in every script, whatever the collation of the database. */
const fold = (sql: string) =>
  `(lower((${sql})::text collate crm_private.folding) collate "default")`;

/** Escapes a text for a pattern of LIKE. */
const likeText = (text: string) => text.replace(/[\\%_]/g, "\\$&");

/** Returns the operators that find a part of a text, with and without case, and their negations. */
function partOperators(name: string, before: string, after: string): Record<string, Operator> {
  const isPattern = name === "like";
  const pattern = (value: unknown) =>
    isPattern ? value : `${before}${likeText(String(value))}${after}`;
  const operator = (isNegated: boolean, isInsensitive: boolean): Operator => ({
    type: "text",
    isPattern,
    condition({ draft, sql }, value) {
      const found = isInsensitive
        ? `(${sql})::text collate crm_private.folding ilike ${draft.bind(pattern(value), "text")}`
        : `${sql} like ${draft.bind(pattern(value), "text")}`;
      return isNegated ? `not (${found})` : found;
    },
  });
  const negated = `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return {
    [name]: operator(false, false),
    [`${name}Insensitive`]: operator(false, true),
    [negated]: operator(true, false),
    [`${negated}Insensitive`]: operator(true, true),
  };
}

function folded(operator: string): Operator {
  return {
    type: "text",
    condition: ({ draft, sql }, value) =>
      `${fold(sql)} ${operator} ${fold(draft.bind(value, "text"))}`,
  };
}

function foldedIn(isNegated: boolean): Operator {
  return {
    type: "text",
    isList: true,
    condition({ draft, sql }, value) {
      const list = draft.bind(value, "text[]");
      const found = `${fold(sql)} = any (select ${fold("item")} from unnest(${list}) as item)`;
      return isNegated ? `not (${found})` : found;
    },
  };
}

const textOperators: Readonly<Record<string, Operator>> = {
  ...comparisons,
  ...partOperators("includes", "%", "%"),
  ...partOperators("startsWith", "", "%"),
  ...partOperators("endsWith", "%", ""),
  ...partOperators("like", "", ""),
  equalToInsensitive: folded("="),
  notEqualToInsensitive: folded("<>"),
  distinctFromInsensitive: folded("is distinct from"),
  notDistinctFromInsensitive: folded("is not distinct from"),
  inInsensitive: foldedIn(false),
  notInInsensitive: foldedIn(true),
};

/**
 * Returns the condition that a list contains texts, regardless of case. Addresses and numbers of contacts are
 * found by the index of match keys, in a subquery of its own: with an order and a limit, PostgreSQL would
 * otherwise scan the index of the order, because it overestimates the matches.
 */
function containsFolded({ draft, table, alias, column, sql }: Operated, texts: readonly unknown[]) {
  const list = draft.bind(texts, "text[]");
  const other = draft.alias();
  const among = (matches: string) =>
    `${alias}.id = any (array(select ${other}.id from ${table.name} as ${other} where ${matches}))`;
  if (table.name === "crm.contacts" && texts.length > 0) {
    if (column === "emails") return among(`${other}.match_keys @> crm_private.email_keys(${list})`);
    if (column === "phones") {
      return among(`${other}.match_keys && crm_private.phone_keys(${list}) and (
        select bool_and(crm_private.has_phone(
          ${other}.phones, number, (select crm_private.default_country())
        ))
        from unnest(${list}) as number
      )`);
    }
  }
  const foldAll = (items: string) =>
    `array(select lower(item collate crm_private.folding) from unnest(${items}) as item)`;
  return `(${sql} is not null and ${foldAll(sql)} @> ${foldAll(list)})`;
}

const listOperators: Readonly<Record<string, Operator>> = {
  ...equality,
  contains: comparison("@>"),
  containedBy: comparison("<@"),
  overlaps: comparison("&&"),
  anyEqualTo: {
    type: "text",
    condition: ({ draft, sql }, value) => `${draft.bind(value, "text")} = any (${sql})`,
  },
  containsInsensitive: {
    condition: (column, value) => containsFolded(column, value as readonly unknown[]),
  },
  anyEqualToInsensitive: {
    type: "text",
    condition: (column, value) => containsFolded(column, [value]),
  },
};

const jsonComparison = (operator: string): Operator => ({
  condition: ({ draft, sql }, value) =>
    `${sql} ${operator} ${draft.bind(JSON.stringify(value), "jsonb")}`,
});

const keysOperator = (operator: string): Operator => ({
  type: "text",
  isList: true,
  condition: ({ draft, sql }, value) => `${sql} ${operator} ${draft.bind(value, "text[]")}`,
});

const jsonOperators: Readonly<Record<string, Operator>> = {
  isNull,
  equalTo: jsonComparison("="),
  notEqualTo: jsonComparison("<>"),
  contains: jsonComparison("@>"),
  containedBy: jsonComparison("<@"),
  containsKey: {
    type: "text",
    condition: ({ draft, sql }, value) => `${sql} ? ${draft.bind(value, "text")}`,
  },
  containsAllKeys: keysOperator("?&"),
  containsAnyKeys: keysOperator("?|"),
};

const externalIdOperators: Readonly<Record<string, Operator>> = {
  anyEqualTo: {
    type: "externalId",
    condition({ draft, table, alias }, value) {
      const { source, id } = value as { source: string; id: string };
      const held = draft.alias();
      return `${alias}.id = any (array(
        select ${held}.entity_id
        from crm_private.external_ids as ${held}
        where ${held}.entity_type = '${table.entityType}'
          and ${held}.source = ${draft.bind(source, "text")}
          and ${held}.id = ${draft.bind(id, "text")}
      ))`;
    },
  },
};

/** Returns the operators of the columns of a type. */
export function operatorsOf(type: ColumnType): Readonly<Record<string, Operator>> {
  switch (type) {
    case "text":
      return textOperators;
    case "text[]":
      return listOperators;
    case "jsonb":
      return jsonOperators;
    case "crm.external_id[]":
      return externalIdOperators;
    default:
      return comparisons;
  }
}

/** Returns the fault of a pattern that ends with its escape character, which PostgreSQL may not report. */
export function patternFaults({ isPattern }: Operator, operand: unknown): string[] {
  const [backslashes = ""] = isPattern === true ? (/\\*$/.exec(String(operand)) ?? []) : [];
  return backslashes.length % 2 === 1 ? ["must not end with a single backslash"] : [];
}
