import type pg from "pg";
import { format } from "prettier";

import { readRights } from "../../server/doctor/rights.ts";
import { printConstraints } from "./constraints.ts";
import { readModel } from "./model.ts";
import { printRows } from "./rows.ts";
import { printTables } from "./tables.ts";

/**
 * Generates the files of `server/model/generated/` from a database.
 *
 * @param client a connection of the owner to a migrated database.
 * @returns the texts by file name.
 */
export async function generateFiles(client: pg.ClientBase): Promise<Record<string, string>> {
  const models = await readModel(client);
  const printed = {
    "constraints.ts": printConstraints(models),
    "rights.ts": `
      /** All rights of the product's roles. */
      export const rights: readonly string[] = ${JSON.stringify(await readRights(client))};`,
    "rows.ts": printRows(models),
    "tables.ts": await printTables(client, models),
  };
  const files: Record<string, string> = {};
  for (const [name, text] of Object.entries(printed)) {
    files[name] = await format(`// Generated from the catalog by npm run generate.\n${text}`, {
      parser: "typescript",
      printWidth: 100,
    });
  }
  return files;
}
