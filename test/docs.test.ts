import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { describe, expect, test } from "@jest/globals";

import { renderDocuments } from "../scripts/docs/documents.ts";
import { fromPgError } from "../server/errors/from-postgres.ts";
import { withRollback } from "./helpers/database.ts";

const root = resolve(import.meta.dirname, "..");
const read = (path: string) => readFile(join(root, path), "utf8");

/** The documents that people read, wherever they are. */
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "CONVENTIONS.md",
  "SECURITY.md",
  "db/README.md",
  "db/functions/README.md",
  "docs/decisions.md",
  "docs/reporting.md",
  "docs/schema.md",
];

describe("the generated sections", () => {
  test("are what a migrated database yields; npm run docs writes them", () =>
    withRollback(async (client) => {
      for (const { path, text } of await renderDocuments(client)) {
        expect([path, await read(path)]).toEqual([path, text]);
      }
    }));

  test("hold a diagram that mermaid can read", async () => {
    const [, diagram = ""] = /```mermaid\n([^]*?)\n```/.exec(await read("docs/schema.md")) ?? [];
    const [first, ...lines] = diagram.split("\n");
    expect(first).toBe("erDiagram");

    const forms = {
      entity: /^ {2}(\w+) \{$/,
      column: /^ {4}\w+(?:\[\])? \w+(?: (?:[PFU]K)(?:, [PFU]K)*)?(?: "\w+")?$/,
      end: /^ {2}\}$/,
      relation: /^ {2}(\w+) (?:\|\||\|o)--o\{ (\w+) : \w+$/,
    };
    const is = (form: keyof typeof forms, line: string) => forms[form].test(line);
    const unknown = lines.filter((line) => !Object.values(forms).some((form) => form.test(line)));
    expect(unknown).toEqual([]);

    // An entity is opened, has columns, and is closed; relations come after the last.
    const shape = lines
      .map((line) =>
        is("entity", line) ? "{" : is("column", line) ? "c" : is("end", line) ? "}" : "r",
      )
      .join("");
    expect(shape).toMatch(/^(?:\{c+\})+r+$/);

    const entities = lines.flatMap((line) => forms.entity.exec(line)?.[1] ?? []);
    const related = lines.flatMap((line) => forms.relation.exec(line)?.slice(1) ?? []);
    expect(related.filter((name) => !entities.includes(name))).toEqual([]);
  });
});

interface Entry {
  sqlstate: string;
  code: string;
  class: string;
}

/** The rows of the register of errors. */
async function register(): Promise<Entry[]> {
  const text = await read("db/README.md");
  const section = text.slice(
    text.indexOf("<!-- register:begin -->"),
    text.indexOf("<!-- register:end -->"),
  );
  return section
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (?:SQLSTATE|---) /.test(line))
    .map((line) => {
      const [, sqlstate = "", , code = "", name = ""] = line
        .split("|")
        .map((cell) => cell.trim().replaceAll("`", ""));
      return { sqlstate, code, class: name };
    });
}

describe("the register of errors", () => {
  test("says what becomes of each SQLSTATE", async () => {
    const entries = (await register()).filter(({ sqlstate }) => sqlstate !== "none");
    expect(entries.length).toBeGreaterThan(20);
    for (const { sqlstate, code, class: name } of entries) {
      const known = /^[0-9A-Z]{2}([0-9A-Z]{3}|…)$/.test(sqlstate);
      expect([known, sqlstate]).toEqual([sqlstate !== "any other", sqlstate]);
      const raised = Object.assign(new Error("raised"), {
        code: known ? sqlstate.replace("…", "ZZZ") : "58030",
        severity: "ERROR",
        schema: "crm",
        detail: JSON.stringify({ entityType: "contact", ids: ["the one that is not there"] }),
      });
      const answer = fromPgError(raised, {});
      expect([sqlstate, answer.code, answer.name]).toEqual([sqlstate, code, name]);
    }
  });

  test("names every code, class and SQLSTATE of server/errors.ts", async () => {
    const source = await read("server/errors.ts");
    const union = /export type ErrorCode =([^;]*);/.exec(source)?.[1] ?? "";
    const codes = [...union.matchAll(/"(\w+)"/g)].map(([, code]) => code);
    const classes = [...source.matchAll(/^export class (\w+)/gm)].map(([, name]) => name);
    const states = [...source.matchAll(/"(?=\w*\d)([0-9A-Z]{5})"/g)].map(([, state]) => state);
    const families = [...source.matchAll(/^ {2}"?(\d\d)"?: \(\) =>/gm)].map(([, two]) => `${two}…`);
    expect(families.length).toBeGreaterThan(5);
    const entries = await register();
    expect(new Set(entries.map(({ code }) => code))).toEqual(new Set(codes));
    expect(new Set(entries.map((entry) => entry.class))).toEqual(new Set(classes));
    expect(entries.map(({ sqlstate }) => sqlstate)).toEqual(expect.arrayContaining(states));
    expect(entries.map(({ sqlstate }) => sqlstate)).toEqual(expect.arrayContaining(families));
  });

  test("names every condition that the database raises", async () => {
    const text = await read("db/README.md");
    const folders = ["db/functions", "db/triggers"];
    const files = await Promise.all(
      folders.map(async (folder) =>
        (await readdir(join(root, folder), { recursive: true }))
          .filter((name) => name.endsWith(".sql"))
          .map((name) => join(folder, name)),
      ),
    );
    const sources = await Promise.all(files.flat().map(read));
    const raised = sources.flatMap((source) =>
      [...source.matchAll(/\berrcode\s*=\s*'(\w+)'/g)].map(([, condition = ""]) => condition),
    );
    expect(raised).toContain("check_violation");
    expect(
      raised.filter((name) => !text.includes(`| ${name} |`) && !text.includes(`| \`${name}\` |`)),
    ).toEqual([]);
  });
});

describe.each(documents)("%s", (path) => {
  test("links to files and headings that exist", async () => {
    const text = await read(path);
    const broken: string[] = [];
    for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [file = "", heading] = target.split("#");
      const linked = file === "" ? path : join(dirname(path), file);
      const found =
        existsSync(join(root, linked)) &&
        (heading === undefined || headings(await read(linked)).includes(heading));
      if (!found) broken.push(target);
    }
    expect(broken).toEqual([]);
  });

  test("names files and commands that exist", async () => {
    const text = await read(path);
    const { scripts } = JSON.parse(await read("package.json")) as {
      scripts: Record<string, string>;
    };
    const commands = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name = ""]) => name);
    expect(commands.filter((name) => !(name in scripts))).toEqual([]);
    const files = [...text.matchAll(/`((?:db|server|test|scripts|docs)\/[\w./-]*\w)`/g)]
      .map(([, name = ""]) => name)
      // The next migration of an example is not there yet.
      .filter((name) => !/\/00000[2-9]/.test(name));
    expect(files.filter((name) => !existsSync(join(root, name)))).toEqual([]);
  });
});

/** The anchors of a document, as GitHub makes them of its headings. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
}
