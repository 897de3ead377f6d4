import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

/** The documents that people read, by their paths from the root. */
export const documents: readonly string[] = globSync("**/*.md", {
  cwd: root,
  exclude: (path) => /(?:^|\/)(?:node_modules|\.data|\.git|coverage)$/.test(path),
}).sort();

/** The text of a document. */
export function readDocument(path: string): Promise<string> {
  return readFile(join(root, path), "utf8");
}

/** A document without the sections that `npm run docs` writes. */
export function withoutGenerated(text: string): string {
  return text.replaceAll(/<!-- ([\w-]+):begin -->[^]*?<!-- \1:end -->/g, "");
}

/** A block of code in a document. */
export interface Block {
  /** The language that it is marked with, such as `sql`; none if it is not. */
  readonly language: string;
  /** The word after the language, such as `variables`. */
  readonly remark: string;
  readonly text: string;
  /** The paragraph before it, on one line; none if that is a block, too. */
  readonly before: string;
}

/** The code blocks of a text, in order, those in lists too. */
export function readBlocks(text: string): Block[] {
  return [...text.matchAll(/^( *)```(\w*)(?: (\w+))?\n([^]*?)^\1```$/gm)].map((match) => {
    const [, indent = "", language = "", remark = "", body = ""] = match;
    const paragraph =
      text
        .slice(0, match.index)
        .trimEnd()
        .split(/\n\s*\n/)
        .at(-1) ?? "";
    return {
      language,
      remark,
      text: body.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
      before: paragraph.includes("```") ? "" : paragraph.replaceAll(/\s+/g, " ").trim(),
    };
  });
}
