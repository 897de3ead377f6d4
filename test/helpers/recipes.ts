import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join, resolve } from "node:path";

import { type Block, readBlocks, readDocument } from "./documents.ts";

const root = resolve(import.meta.dirname, "../..");

/**
 * The code blocks of a document, or of a part of it, in order, those in lists too.
 *
 * @param path of the document, below the project.
 * @param heading the line that the part begins with, such as `## Months`; it ends with the next
 *   heading of its level or a higher one.
 */
export async function readRecipe(path: string, heading?: string): Promise<Block[]> {
  const text = await readDocument(path);
  if (heading === undefined) return readBlocks(text);
  const begin = text.indexOf(`\n${heading}\n`);
  if (begin === -1) throw new Error(`${path} has no ${heading}.`);
  const level = heading.indexOf(" ");
  const rest = text.slice(begin + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${level}} `, "m"));
  return readBlocks(end === -1 ? rest : rest.slice(0, end));
}

/**
 * The one block of a recipe whose text, or the paragraph before it, holds some words.
 *
 * @throws if there is none, or more than one.
 */
export function blockWith(blocks: readonly Block[], words: string): string {
  const found = blocks.filter(({ text, before }) => `${before}\n${text}`.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} blocks are about ${words}.`);
  return found[0]?.text ?? "";
}

/** A copy of the project in which a recipe can be followed. */
export interface ScratchProject {
  readonly folder: string;
  /**
   * Runs a command line in its folder.
   *
   * @param environment what the environment has beside the path.
   * @returns what it printed on standard output.
   * @throws with everything that it printed, if it ends with another code than 0.
   */
  run(command: string, environment?: Record<string, string>): Promise<string>;
  remove(): void;
}

/** Copies the project, without what git does not hold; the dependencies are linked. */
export function createScratchProject(): ScratchProject {
  const folder = mkdtempSync(join(tmpdir(), "pgcrm-project-"));
  const left = new Set([".git", ".data", "node_modules"]);
  cpSync(root, folder, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !left.has(basename(path)),
  });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return {
    folder,
    run: (command, environment = {}) => runShell(command, folder, environment),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** Runs a command line; see {@link ScratchProject.run}. */
export async function runShell(
  command: string,
  folder: string,
  environment: Record<string, string> = {},
): Promise<string> {
  const child = spawn("bash", ["-euo", "pipefail", "-c", command], {
    cwd: folder,
    env: {
      PATH: [join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter),
      HOME: process.env.HOME,
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let all = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    all += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (all += text));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${command}\nended with ${code}:\n${all}`);
  return output;
}
