import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "@jest/globals";

import { generateFiles } from "../../../scripts/generate/files.ts";
import { withRollback } from "../../helpers/database.ts";

const folder = join(import.meta.dirname, "../../../server/model/generated");

test("server/model/generated is what the database yields; npm run generate writes it", async () => {
  const files = await withRollback(generateFiles);
  for (const [name, text] of Object.entries(files)) {
    expect(await readFile(join(folder, name), "utf8")).toBe(text);
  }
});

test("a check constraint that the typed layer cannot mirror stops the generator", async () => {
  await withRollback(async (client) => {
    await client.query(
      "alter table crm.notes add constraint notes_content_odd check (char_length(content) % 2 = 1)",
    );
    await expect(generateFiles(client)).rejects.toThrow("notes_content_odd");
  });
});
