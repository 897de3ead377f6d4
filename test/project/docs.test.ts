import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { describe, expect, test } from "@jest/globals";

import { renderDocuments } from "../../scripts/docs/documents.ts";
import { fromPgError } from "../../server/errors/from-postgres.ts";
import { configDefaults, configVariables } from "../../server/settings.ts";
import { withRollback } from "../helpers/database.ts";
import { documents } from "../helpers/documents.ts";

const root = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFile(join(root, path), "utf8");

describe("the generated sections", () => {
  test("are what a migrated database yields; npm run docs writes them", () =>
    withRollback(async (client) => {
      for (const { path, text } of await renderDocuments(client)) {
        expect([path, await read(path)]).toEqual([path, text]);
      }
    }));

  test("have the help of every command", async () => {
    const parents: Record<string, string> = { program: "npx pgcrm" };
    const source = await read("server/cli/cli.ts");
    for (const [, name = ""] of source.matchAll(/^const (\w+) = program\s*\.command\("/gm)) {
      parents[name] = `npx pgcrm ${name}`;
    }
    const commands = [...source.matchAll(/(\w+)\s*\.command\("([\w-]+)/g)].map(
      ([, parent = "", name]) => `${parents[parent]} ${name}`,
    );
    const text = await read("docs/reference/command-line.md");
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(commands.length).toBeGreaterThan(20);
    expect(headings.sort()).toEqual(["npx pgcrm", ...commands].sort());
  });

  test("hold a diagram that mermaid can read", async () => {
    const [, diagram = ""] =
      /```mermaid\n([^]*?)\n```/.exec(await read("docs/reference/tables.md")) ?? [];
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

/** The rows of the table of codes. */
async function register(): Promise<Entry[]> {
  const text = await read("docs/reference/errors.md");
  return text
    .slice(text.indexOf("## Codes"), text.indexOf("## Before GraphQL"))
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

  test("names every code, class and SQLSTATE of server/errors", async () => {
    const files = ["classes", "messages", "from-postgres"];
    const source = (await Promise.all(files.map((name) => read(`server/errors/${name}.ts`)))).join(
      "\n",
    );
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
    const text = await read("docs/reference/errors.md");
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

describe("the settings", () => {
  const tables = async () =>
    (await read("docs/reference/configuration.md")) + (await read("docs/reference/limits.md"));

  test("are all in the tables, once, and no others", async () => {
    const cells = [...(await tables()).matchAll(/^\| (`[A-Z].*?) \|/gm)].map(
      ([, cell]) => cell ?? "",
    );
    const named = cells.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, n]) => n));
    expect(named.sort()).toEqual([...configVariables].sort());
  });

  test("have the defaults that the tables say", async () => {
    const rows = [...(await tables()).matchAll(/^\| (`[A-Z_`, ]+`) \| ([\d, ]+)/gm)];
    const told = rows.flatMap(([, names = "", values = ""]) => {
      const numbers = values.trim().split(", ").map(Number);
      return [...names.matchAll(/`([A-Z_]+)`/g)].map(([, name], i) => [name, numbers[i]]);
    });
    const numbers = Object.entries(configDefaults).filter(([, value]) => typeof value === "number");
    expect(Object.fromEntries(told)).toMatchObject(Object.fromEntries(numbers));
  });
});

test("the configuration of Relay in the tutorial has every scalar", async () => {
  const scalars = (await read("schema.graphql")).matchAll(/^scalar (\w+)/gm);
  const tutorial = await read("docs/tutorials/build-a-client.md");
  const [block = ""] = /\{\n {2}"src"[^]*?\n\}\n/.exec(tutorial) ?? [];
  const { customScalarTypes } = JSON.parse(block) as { customScalarTypes: Record<string, string> };
  expect(Object.keys(customScalarTypes)).toEqual([...scalars].map(([, name]) => name));
});

test("the metrics are all in the table, and no others", async () => {
  const name = /pgcrm_\w+/g;
  const source = (await read("server/http/metrics.ts")).match(name);
  const text = (await read("docs/reference/metrics.md")).match(name);
  expect([...new Set(text)].sort()).toEqual([...new Set(source)].sort());
});

test.each([
  ["README.md", 150],
  ["db/README.md", 120],
  ["docs/README.md", 70],
])("%s has at most %d lines", async (path, most) => {
  expect((await read(path)).split("\n").length - 1).toBeLessThanOrEqual(most);
});

test("the index lists every document, and the README leads to the index", async () => {
  const listed = (await links("docs/README.md")).map(({ file }) => file);
  const unlisted = documents.filter(
    (path) =>
      /^docs\/.+\//.test(path) &&
      !path.startsWith("docs/explanation/decisions/0") &&
      !listed.includes(path),
  );
  expect(unlisted).toEqual([]);
  expect((await links("README.md")).map(({ file }) => file)).toContain("docs/README.md");
});

describe.each(documents)("%s", (path) => {
  test("links to files and headings that exist", async () => {
    const broken: string[] = [];
    for (const { target, file, heading } of await links(path)) {
      const found =
        existsSync(join(root, file)) &&
        (heading === undefined || headings(await read(file)).includes(heading));
      if (!found) broken.push(target);
    }
    expect(broken).toEqual([]);
  });

  test("names files and commands that exist", async () => {
    const text = await read(path);
    const { scripts } = JSON.parse(await read("package.json")) as {
      scripts: Record<string, string>;
    };
    const commands = [...text.matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name = ""]) => name);
    expect(commands.filter((name) => !(name in scripts))).toEqual([]);
    const files = [...text.matchAll(paths)]
      .map(([, name = ""]) => name)
      .filter((name) => !isAhead(path, name));
    expect(files.filter((name) => !existsSync(join(root, name)))).toEqual([]);
  });
});

/** Paths of the repository, in quotes of code. */
const paths = /`((?:db|server|test|scripts|docs|bench|bin|docker|\.ci)\/(?:[\w./-]*\w)?)\/?`/g;

/** Whether a file is not there yet: the next migration, and what a recipe creates. */
function isAhead(path: string, name: string): boolean {
  return (
    /\/00000[2-9]/.test(name) ||
    name.endsWith("current/1-current.sql") ||
    name.endsWith(created[path] ?? "nothing")
  );
}

/** What a recipe creates. */
const created: Readonly<Record<string, string>> = {
  "docs/contributing/add-a-command.md": "count.ts",
  "docs/contributing/add-a-graphql-plugin.md": "release.ts",
};

interface Link {
  readonly target: string;
  /** From the root of the repository. */
  readonly file: string;
  readonly heading: string | undefined;
}

/** The links of a document to files. */
async function links(path: string): Promise<Link[]> {
  const text = (await read(path)).replaceAll(/^( *)```[^]*?^\1```$/gm, "");
  return [...text.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, target = ""]) => {
    const [file = "", heading] = target.split("#");
    return { target, file: file === "" ? path : join(dirname(path), file), heading };
  });
}

/** The anchors of a document, as GitHub makes them of its headings. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
}
