import type pg from "pg";

import { camelCase } from "../../server/errors/messages.ts";
import type { Column, ColumnType, Relation, Table } from "../../server/model/tables.ts";
import { evaluate, readCharacters, tagOf, type CatalogColumn } from "./catalog.ts";
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
      relations: relationsOf(model, models),
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

/**
 * Returns the relations of a table, by the names of their fields in the API: those of its foreign keys, and
 * those of the foreign keys that reference it.
 */
function relationsOf(model: TableModel, models: TableModel[]): Record<string, Relation> {
  const relations: Record<string, Relation> = {};
  for (const { column, table, key, comment } of model.references) {
    const name = tagOf(comment, "fieldName") ?? camelCase(column.replace(/_id$/, ""));
    const { entity } = modelOf(table, models);
    const isRequired = model.columns.some((known) => known.name === column && known.required);
    relations[name] = { entity, kind: isRequired ? "one" : "oneOrNone", column, key };
  }
  for (const other of models) {
    for (const { column, key, comment } of referencesTo(model, other)) {
      const name = tagOf(comment, "foreignFieldName") ?? camelCase(other.name);
      relations[name] = { entity: other.entity, kind: "many", column: key, key: column };
    }
  }
  return relations;
}

function referencesTo({ name }: TableModel, { references }: TableModel) {
  return references.filter(({ table }) => table === name);
}

function modelOf(table: string, models: TableModel[]): TableModel {
  const model = models.find(({ name }) => name === table);
  if (model === undefined) throw new Error(`There is no table ${table}`);
  return model;
}

/** Prints JSON in which all characters beyond ASCII are escaped. */
function printText(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

async function describeColumn(client: pg.ClientBase, column: CatalogColumn): Promise<Column> {
  const { name, type, required, insertable, updatable, defaultSql, comment } = column;
  const [table, key, position] = tagOf(comment, "rank")?.split(" ") ?? [];
  return {
    name,
    type: type as ColumnType,
    required,
    insertable,
    updatable,
    ...(defaultSql === null
      ? {}
      : { default: (await evaluate(client, defaultSql)) as Column["default"] }),
    ...(table !== undefined && key !== undefined && position !== undefined
      ? { rank: { table: `crm.${table}`, key, position } }
      : {}),
    ...(isDerived(column) ? { derived: follows(column) ? "always" : "once" } : {}),
  };
}
