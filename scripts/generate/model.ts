import type pg from "pg";

import { camelCase } from "../../server/errors/messages.ts";
import type { Check } from "../../server/model/tables.ts";
import { readTables, type CatalogTable } from "./catalog.ts";
import { readRule } from "./rules.ts";

/** A table with the rules of its check constraints. */
export interface TableModel extends CatalogTable {
  /** The name of the entity in TypeScript: `customFieldDefinition`. */
  entity: string;
  checks: Check[];
}

/** Reads all tables of schema `crm`. */
export async function readModel(client: pg.ClientBase): Promise<TableModel[]> {
  const models: TableModel[] = [];
  for (const table of await readTables(client)) {
    const checks: Check[] = [];
    for (const catalogRule of table.rules.filter(({ kind }) => kind === "check")) {
      const { constraint, field, message } = catalogRule;
      const rule = await readRule(client, catalogRule);
      checks.push({ constraint, field, message, ...rule });
    }
    models.push({ ...table, entity: camelCase(table.entityType), checks });
  }
  return models;
}
