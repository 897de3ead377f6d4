/**
 * Writes the generated sections of the documentation, from a temporary embedded database with the
 * migrations of this version.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { withConnection } from "../server/postgres/connect.ts";
import { renderDocuments } from "./docs/documents.ts";
import { withThrowawayDatabase } from "./throwaway.ts";

const documents = await withThrowawayDatabase(({ ownerUrl }) =>
  withConnection(ownerUrl, renderDocuments),
);
for (const { path, text } of documents) {
  await writeFile(join(import.meta.dirname, "..", path), text);
}
