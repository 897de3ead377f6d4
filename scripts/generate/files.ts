import type pg from "pg";
import { format } from "prettier";

import { readRights } from "../../server/doctor/rights.ts";
import { printConstraints } from "./constraints.ts";
import { readModel } from "./model.ts";
import { printRows } from "./rows.ts";
import { printTables } from "./tables.ts";

/**
 * The files of `server/model/generated/` by name, as a database yields them.
 *
 * @param client a connection of the owner to a migrated database.
 */
export async function generateFiles(client: pg.ClientBase): Promise<Record<string, string>> {
  const models = await readModel(client);
  const printed = {
    "constraints.ts": printConstraints(models),
    "rights.ts": `
      /** What roles may do, and nothing else. */
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
