import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join, relative } from "node:path";

import { gqlPluckFromCodeStringSync } from "@graphql-tools/graphql-tag-pluck";
import { type DocumentNode, parse, Source } from "graphql";

import { exitCodes, Problem } from "../../errors/problem.ts";
import { Fault, faultOf } from "./fault.ts";

type Report = (fault: Fault) => void;

/** The language of each file that is read in a folder of code, by its extension. */
const languages: Record<string, "graphql" | "script" | "component"> = {
  ".graphql": "graphql",
  ".gql": "graphql",
  ".ts": "script",
  ".tsx": "script",
  ".mts": "script",
  ".cts": "script",
  ".js": "script",
  ".jsx": "script",
  ".mjs": "script",
  ".cjs": "script",
  ".vue": "component",
  ".svelte": "component",
};

/** Folders that do not contain the client's own code. */
const skipped = new Set(["node_modules"]);

/**
 * Reads the documents in a client's code: GraphQL files, and templates that are tagged `gql` or
 * `graphql`, are the argument of such a function, or follow the comment `GraphQL`.
 *
 * @param paths files, and folders to be read recursively, except hidden ones and `node_modules`.
 * @param report receives each fault and its place.
 * @throws {Problem} if a path does not exist.
 */
export function readDocuments(paths: readonly string[], report: Report): DocumentNode[] {
  const files = [...new Set(paths.flatMap(filesOf))].sort();
  return files.flatMap((file) => {
    const name = relative(process.cwd(), file);
    const attempt = <Result>(work: () => Result[]): Result[] => {
      try {
        return work();
      } catch (error) {
        report(faultOf(error, name));
        return [];
      }
    };
    const sources = attempt(() => sourcesOf(file, name, report));
    return sources.flatMap((source) => attempt(() => [parse(source)]));
  });
}

function filesOf(path: string): string[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new Problem(`${path} does not exist.`, exitCodes.usage);
  if (!stats.isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith(".") && !skipped.has(name))
    .flatMap((entry) => {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) return filesOf(inner);
      return entry.isFile() && extname(entry.name) in languages ? [inner] : [];
    });
}

function sourcesOf(file: string, name: string, report: Report): Source[] {
  const text = readFileSync(file, "utf8");
  const templates = (code: string, ending = "") => templatesOf(code, name, name + ending, report);
  switch (languages[extname(file)]) {
    case "script":
      return templates(text);
    case "component":
      return scriptsOf(text).flatMap(({ code, ending }) => templates(code, ending));
    default:
      return text.trim() === "" ? [] : [new Source(text, name)];
  }
}

/**
 * Returns the scripts of a Vue or Svelte component, each with the text before it blanked, so that line
 * numbers stay the same. As in HTML, a script ends at the first closing tag.
 */
function scriptsOf(text: string): { code: string; ending: string }[] {
  const scripts = text.matchAll(/(<script\b[^>]*>)([^]*?)<\/script/gi);
  return [...scripts].map(({ 1: tag = "", 2: script = "", index }) => {
    const before = text.slice(0, index + tag.length).replace(/[^\n]/g, " ");
    const language = /\blang=["']?(\w+)/.exec(tag)?.[1] ?? "js";
    return { code: before + script, ending: `.${language}` };
  });
}

interface Template {
  loc?: { start: { line: number; column: number } } | null;
  quasis: { value: { raw: string; cooked?: string | null } }[];
}

/**
 * @param name the name of the file in reports.
 * @param typed a name whose extension shows the language.
 */
function templatesOf(text: string, name: string, typed: string, report: Report): Source[] {
  if (!/gql|graphql/i.test(text)) return [];
  const sources = gqlPluckFromCodeStringSync(typed, text, {
    skipIndent: true,
    pluckStringFromFile: (_code: string, node: unknown) => textOf(node as Template, name, report),
  });
  return sources.map(({ body, locationOffset: { line, column } }) => {
    return new Source(body, name, { line, column: column + 2 }); // from 1, after the backtick
  });
}

/**
 * Returns the text of a template. An expression between two definitions is a fragment, which is found by
 * its name. The value of an expression inside a definition is known only when the code runs.
 */
function textOf({ quasis, loc }: Template, file: string, report: Report): string {
  let text = "";
  for (const { value } of quasis) {
    if (text !== "" && isWithin(text)) {
      const line = (loc?.start.line ?? 1) + count(text, "\n");
      report(new Fault({ file, line, column: 1 }, unknownExpression));
      return "";
    }
    text += `${value.cooked ?? value.raw} `;
  }
  return text.trim() === "" ? "" : text;
}

const unknownExpression =
  "An expression in an operation has no value before the code runs; use a variable or a fragment";

/** Returns whether the text leaves a brace or parenthesis open. */
const isWithin = (text: string): boolean =>
  count(text, "{") > count(text, "}") || count(text, "(") > count(text, ")");

const count = (text: string, part: string): number => text.split(part).length - 1;
