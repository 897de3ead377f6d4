import type pg from "pg";

import type { Column, ColumnType, Table } from "../../server/model/tables.ts";
import { evaluate, readCharacters, type CatalogColumn } from "./catalog.ts";
import type { TableModel } from "./model.ts";
import { follows, isDerived } from "./rows.ts";

/** Prints `tables.ts`: the metadata of each table, for repositories and schemas. */
export async function printTables(client: pg.ClientBase, models: TableModel[]): Promise<string> {
  const tables: Record<string, Table> = {};
  for (const model of models) {
    const columns: Record<string, Column> = {};
    for (const column of model.columns) {
      columns[column.field] = await describeColumn(client, column);
    }
    tables[model.entity] = {
      name: `crm.${model.name}`,
      entityType: model.entityType,
      ...(model.searchable ? { searchable: true } : {}),
      columns,
      checks: model.checks,
    };
  }
  const { white, hidden, unprintable, legible } = await readCharacters(client);
  return `
import type { Table } from "../tables.ts";

/** The white space characters, as the content of a bracket expression. */
export const whiteCharacters = ${printText(white)};

/** The characters that are invisible on their own. */
export const hiddenCharacters = ${printText(hidden)};

/** The characters that no text may contain, not even a text of several lines. */
export const unprintableCharacters = ${printText(unprintable)};

/** The pattern of a legible name. */
export const legiblePattern = ${printText(legible)};

/** The tables of the schema crm, by entity. */
export const tables = ${printText(tables)} as const satisfies Record<string, Table>;
`;
}

/** Prints JSON in which all characters beyond ASCII are escaped. */
function printText(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

async function describeColumn(client: pg.ClientBase, column: CatalogColumn): Promise<Column> {
  const { name, type, required, insertable, updatable, defaultSql } = column;
  return {
    name,
    type: type as ColumnType,
    required,
    insertable,
    updatable,
    ...(defaultSql === null
      ? {}
      : { default: (await evaluate(client, defaultSql)) as Column["default"] }),
    ...(isDerived(column) ? { derived: follows(column) ? "always" : "once" } : {}),
  };
}
