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

/** A document of the repository with its generated sections. */
export interface Document {
  /** The path, relative to the root of the repository. */
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
 * Renders every document with generated sections from the catalog, schema.graphql and the sources.
 *
 * @param client a connection of the owner to a migrated database.
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
