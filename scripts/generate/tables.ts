import type pg from "pg";

import type { Column, ColumnType, Table } from "../../server/tables.ts";
import { evaluate, readBlankCharacters, type CatalogColumn } from "./catalog.ts";
import type { TableModel } from "./model.ts";
import { follows, isDerived } from "./rows.ts";

/** Prints `tables.ts`: what repositories and schemas have to know of each table. */
export async function printTables(client: pg.ClientBase, models: TableModel[]): Promise<string> {
  const tables: Record<string, Table> = {};
  for (const model of models) {
    const columns: Record<string, Column> = {};
    for (const column of model.columns) {
      columns[column.field] = await describeColumn(client, column);
    }
    tables[model.entity] = {
      name: `crm.${model.name}`,
      journalName: model.journalName,
      columns,
      checks: model.checks,
    };
  }
  const blank = printText(await readBlankCharacters(client));
  return `
import type { Table } from "../tables.ts";

/** The characters that show nothing: white space of any script, and zero-width ones. */
export const blankCharacters = ${blank};

/** The tables of the schema crm by entity. */
export const tables = ${printText(tables)} as const satisfies Record<string, Table>;
`;
}

/** JSON, with escapes for what is not ASCII. */
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
