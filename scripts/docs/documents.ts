import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type pg from "pg";

import { renderCommands } from "./commands.ts";
import { renderDecisions } from "./decisions.ts";
import { renderDiagram } from "./diagram.ts";
import { renderForeignKeys } from "./foreign-keys.ts";
import { renderFunctions, renderPrivateFunctions } from "./functions.ts";
import { renderMutations, renderObjects, renderQueries } from "./graphql.ts";
import { replaceSection } from "./markdown.ts";
import { renderReporting } from "./reporting.ts";
import { renderColumnRights, renderMatrix, renderSchemaRights } from "./rights.ts";
import { renderTables } from "./tables.ts";
import { renderTriggers } from "./triggers.ts";

/** A document of the repository, as it should be. */
export interface Document {
  /** Its path from the root of the repository. */
  readonly path: string;
  readonly text: string;
}

type Renderer = (client: pg.ClientBase) => Promise<string>;

/** The generated sections of each document, by the names of their markers. */
const sections: Readonly<Record<string, Readonly<Record<string, Renderer>>>> = {
  "docs/explanation/decisions/README.md": { decisions: renderDecisions },
  "docs/reference/command-line.md": { commands: renderCommands },
  "docs/reference/graphql.md": {
    queries: renderQueries,
    mutations: renderMutations,
    objects: renderObjects,
  },
  "docs/reference/reporting.md": { views: renderReporting },
  "docs/reference/roles-and-rights.md": {
    matrix: renderMatrix,
    "column-rights": renderColumnRights,
    "schema-rights": renderSchemaRights,
    "private-functions": renderPrivateFunctions,
  },
  "docs/reference/sql-functions.md": { functions: renderFunctions },
  "docs/reference/tables.md": { diagram: renderDiagram, tables: renderTables },
  "docs/reference/triggers.md": { triggers: renderTriggers, "foreign-keys": renderForeignKeys },
};

/**
 * Every document with generated sections, as the catalog, schema.graphql and the sources have them.
 *
 * @param client a connection to a migrated database, as its owner.
 */
export async function renderDocuments(client: pg.ClientBase): Promise<Document[]> {
  const documents: Document[] = [];
  for (const [path, renderers] of Object.entries(sections)) {
    let text = await readFile(join(import.meta.dirname, "../..", path), "utf8");
    for (const [name, render] of Object.entries(renderers)) {
      text = replaceSection(text, name, await render(client));
    }
    documents.push({ path, text });
  }
  return documents;
}
