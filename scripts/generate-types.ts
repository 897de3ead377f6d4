/**
 * Writes server/model/generated/: the types, tables and messages of the typed layer, from a temporary
 * embedded database with the migrations of this version.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { withConnection } from "../server/postgres/connect.ts";
import { generateFiles } from "./generate/files.ts";
import { withThrowawayDatabase } from "./throwaway.ts";

const files = await withThrowawayDatabase(({ ownerUrl }) =>
  withConnection(ownerUrl, generateFiles),
);
for (const [name, text] of Object.entries(files)) {
  await writeFile(join(import.meta.dirname, "../server/model/generated", name), text);
}
