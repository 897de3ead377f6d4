import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import { readDocument } from "../helpers/documents.ts";
import {
  blockWith,
  createScratchProject,
  readRecipe,
  type ScratchProject,
} from "../helpers/recipes.ts";

/* The recipes for what the server has, followed in a copy of the project. */

let project: ScratchProject;
beforeAll(() => {
  project = createScratchProject();
});
afterAll(() => project.remove());

/** The paths that a recipe names: those of the code that it adds, and of the code that it changes. */
async function pathsOf(document: string): Promise<string[]> {
  const named = (await readDocument(document)).matchAll(/`(server\/[\w/-]+\.ts)`/g);
  return [...new Set([...named].map(([, path = ""]) => path))];
}

/** Puts a text before the first place of the words. */
function insertBefore(path: string, words: string, text: string): void {
  const source = readFileSync(path, "utf8");
  const at = source.indexOf(words);
  expect([path, at === -1]).toEqual([path, false]);
  writeFileSync(path, `${source.slice(0, at)}${text}${source.slice(at)}`);
}

/** The name of a module, as another one imports it. */
function moduleName(from: string, to: string): string {
  const [folder, other] = [join(from, ".."), join(to, "..")];
  const below = other === folder ? "" : other.slice(folder.length + 1);
  return `./${join(below, to.split("/").at(-1) ?? "")}`;
}

test("a GraphQL plugin adds what it says", async () => {
  const document = "docs/contributing/add-a-graphql-plugin.md";
  const [added = "", preset = ""] = await pathsOf(document);
  const code = blockWith(await readRecipe(document), "ReleasePlugin");
  writeFileSync(join(project.folder, added), code);
  const path = join(project.folder, preset);
  const name = moduleName(preset, added);
  insertBefore(path, "import ", `import { ReleasePlugin } from "${name}";\n`);
  insertBefore(path, "NamesPlugin,\n", "ReleasePlugin,\n");
  await project.run("npm run schema:print");
  const schema = readFileSync(join(project.folder, "schema.graphql"), "utf8");
  expect(schema).toContain("release: String!");
  await project.run("tsc --noEmit -p .");
}, 300_000);

test("a command is run, and told by --help", async () => {
  const document = "docs/contributing/add-a-command.md";
  const [added = "", cli = ""] = await pathsOf(document);
  const blocks = await readRecipe(document);
  writeFileSync(join(project.folder, added), blockWith(blocks, "export async function"));
  const path = join(project.folder, cli);
  insertBefore(path, 'program\n  .command("demo")', `${blockWith(blocks, ".action(")}\n`);
  insertBefore(path, "import ", `import { countCommand } from "${moduleName(cli, added)}";\n`);

  const database: TestDatabase = await createTestDatabase();
  try {
    const run = (parameters: string) =>
      project.run(`node bin/pgcrm.js ${parameters}`, { DATABASE_URL: database.ownerUrl });
    expect(await run("count")).toBe("0 contacts\n");
    expect(await run("--help")).toContain("print how many contacts there are");
  } finally {
    await database.drop();
  }
  await project.run("tsc --noEmit -p .");
}, 300_000);
