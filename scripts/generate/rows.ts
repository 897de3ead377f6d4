import type { Check } from "../../server/model/tables.ts";
import { pascalCase, withoutTags, type CatalogColumn } from "./catalog.ts";
import type { TableModel } from "./model.ts";

/** The TypeScript type for each column type. The generator fails for any other column type. */
const types: Record<string, string> = {
  bigint: "string",
  boolean: "boolean",
  "crm.external_id[]": "ExternalId[]",
  date: "string",
  integer: "number",
  numeric: "string",
  text: "string",
  "text[]": "string[]",
  "timestamp with time zone": "string",
  uuid: "string",
};

const head = `
/**
 * A value of JSON. A number that JavaScript would round is a raw value, \`JSON.rawJSON\`: its member
 * \`rawJSON\` is the original text, and JSON.stringify writes it unchanged.
 */
export type JsonValue =
  string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** The id of a row in another system, the source. */
export interface ExternalId {
  source: string;
  id: string;
}

/*
 * Times are strings in ISO 8601, UTC, with six decimals: "2026-01-31T09:30:00.123456Z". A Date would lose
 * the microseconds, which can distinguish two updates. Days are strings such as "2026-01-31". Exact decimals
 * are strings too: "12.50".
 */

`;

/**
 * Prints `rows.ts`: a row type for each table, and the types of the inputs that create and update a row.
 */
export function printRows(tables: TableModel[]): string {
  return head + tables.map(printTable).join("\n") + printIndex(tables);
}

function printTable(table: TableModel): string {
  const Name = pascalCase(table.entityType);
  const inserted = table.columns.filter((column) => column.insertable);
  const updated = table.columns.filter((column) => column.updatable);
  return [
    ...table.checks.filter((check) => check.rule === "keys").map(printObject),
    docstring(withoutTags(table.comment)),
    `export interface ${Name} {`,
    ...table.columns.map((column) => member(column, false, rowType(table, column))),
    "}",
    ...(inserted.length === 0 ? [] : printInputs(Name, table, inserted, updated)),
    "",
  ].join("\n");
}

function printInputs(
  Name: string,
  table: TableModel,
  inserted: CatalogColumn[],
  updated: CatalogColumn[],
): string[] {
  return [
    docstring(`The input to create a ${spoken(table)}.`),
    `export interface Create${Name} {`,
    ...inserted.map((column) => {
      const derived = isDerived(column);
      const isOptional = !column.required || column.defaultSql !== null || derived;
      const type = inputType(table, column);
      return member(column, isOptional, derived ? `${type} | null` : type);
    }),
    "}",
    docstring(`The input to update a ${spoken(table)}. Omitted fields stay unchanged.`),
    `export interface Update${Name} {`,
    ...updated.map((column) => {
      const type = inputType(table, column);
      return member(column, true, follows(column) ? `${type} | null` : type);
    }),
    "}",
  ];
}

function printIndex(tables: TableModel[]): string {
  const written = tables.filter((table) => table.columns.some((column) => column.insertable));
  const members = (prefix: string) =>
    written.map((table) => `${table.entity}: ${prefix}${pascalCase(table.entityType)};`).join("\n");
  return `
/** Row types by entity. */
export interface Rows { ${members("")} }
/** Inputs to create rows, by entity. */
export interface Creates { ${members("Create")} }
/** Inputs to update rows, by entity. */
export interface Updates { ${members("Update")} }
`;
}

function printObject(check: Check): string {
  const keys = check.rule === "keys" ? check.keys : [];
  return [
    `export interface ${pascalCase(check.field)} {`,
    ...keys.map((key) => `${key}?: string;`),
    "}",
  ].join("\n");
}

function rowType(table: TableModel, column: CatalogColumn): string {
  const type = valueType(table, column);
  return column.required || type === "JsonValue" ? type : `${type} | null`;
}

function inputType(table: TableModel, column: CatalogColumn): string {
  const wider = column.type === "numeric" ? " | number" : "";
  return rowType(table, column) + wider;
}

function valueType(table: TableModel, column: CatalogColumn): string {
  const checks = table.checks.filter((check) => check.field === column.field);
  if (column.type === "jsonb") {
    const hasKeys = checks.some((check) => check.rule === "keys");
    if (!column.required && !hasKeys) return "JsonValue";
    return hasKeys ? pascalCase(column.field) : "Record<string, JsonValue>";
  }
  for (const check of checks) {
    // A short list becomes a union type; the list of currencies is too long.
    if (check.rule === "oneOf" && check.values.length <= 20) {
      return check.values.map((value) => JSON.stringify(value)).join(" | ");
    }
  }
  const type = types[column.type];
  if (type === undefined)
    throw new Error(`The type of ${column.name} has no counterpart in TypeScript`);
  return type;
}

/** Returns whether triggers set an omitted value, as the smart tag `@hasDefault` declares. */
export function isDerived(column: CatalogColumn): boolean {
  return /^@hasDefault$/m.test(column.comment);
}

/** Returns whether triggers also set a value for null in an update, as the smart tag `@follows` declares. */
export function follows(column: CatalogColumn): boolean {
  return /^@follows$/m.test(column.comment);
}

function member(column: CatalogColumn, isOptional: boolean, type: string): string {
  return `${docstring(withoutTags(column.comment))}\n${column.field}${isOptional ? "?" : ""}: ${type};`;
}

/** Formats a comment of the database as a docstring of at most 100 columns. */
function docstring(text: string): string {
  const safe = text.replaceAll("*/", "* /");
  if (safe.length < 90) return `/** ${safe} */`;
  const lines = safe.match(/.{1,94}(?:\s|$)/g) ?? [];
  return ["/**", ...lines.map((line) => ` * ${line.trim()}`), " */"].join("\n");
}

function spoken(table: TableModel): string {
  return table.entityType.replaceAll("_", " ");
}
