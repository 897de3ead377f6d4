import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type pg from "pg";

import { renderDiagram } from "./diagram.ts";
import { replaceSection } from "./markdown.ts";
import {
  renderColumnRights,
  renderFunctionRights,
  renderMatrix,
  renderSchemaRights,
} from "./rights.ts";
import { renderReporting } from "./reporting.ts";
import { renderForeignKeys, renderRules } from "./rules.ts";
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
  "db/README.md": {
    triggers: renderTriggers,
    "foreign-keys": renderForeignKeys,
    matrix: renderMatrix,
    "column-rights": renderColumnRights,
    "function-rights": renderFunctionRights,
    "schema-rights": renderSchemaRights,
  },
  "docs/reporting.md": {
    views: renderReporting,
  },
  "docs/schema.md": {
    diagram: renderDiagram,
    rules: renderRules,
  },
};

/**
 * Every document with generated sections, those taken from the catalog of a database.
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
