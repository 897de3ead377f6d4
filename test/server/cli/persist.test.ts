import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { getOperationAST, parse } from "graphql";

jest.setTimeout(60_000);

const cli = resolve(import.meta.dirname, "../../../server/cli/cli.ts");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-persist-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

/** Runs the command on `src`, into `out`. */
async function persist(...options: string[]) {
  const args = [cli, "persist", "src", "--out", "out", ...options];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
    return { code: 0, stdout, faults: [] };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, faults: stderr.trim().split("\n") };
  }
}

/** What is persisted, by the name of the operation; each by its hash. */
function persisted(): Record<string, string> {
  const entries = readdirSync(join(folder, "out")).map((name) => {
    const text = readFileSync(join(folder, "out", name), "utf8");
    expect(name).toBe(`${createHash("sha256").update(text).digest("hex")}.graphql`);
    return [getOperationAST(parse(text))?.name?.value, text];
  });
  return Object.fromEntries(entries) as Record<string, string>;
}

const everywhere = {
  "src/a.ts": `import { gql } from "@apollo/client";
    const generic = <T,>(x: T): T => x;
    export const people = gql\`
      query People($first: Int!) { contacts(first: $first) { nodes { ...Person } } }
      \${personParts}
    \`;`,
  "src/deep/b.jsx": "const b = <p>{graphql(`query Stages { pipelineStages { totalCount } }`)}</p>;",
  "src/c.vue": `<template><p>{{ gql }}</p></template>
    <script setup lang="ts">
    const x: string = gql\`fragment Home on Company { id name }\`;
    </script>`,
  "src/d.svelte": "<script>\n  const d = /* GraphQL */ `query Me { currentUserId }`;\n</script>",
  "src/e.gql":
    "fragment Person on Contact { id company { ...Home } } query One { currentUserId } query Two { currentUserId }",
  "src/schema.graphql": "type Query { other: Int }",
  "src/empty.graphql": "",
  "src/text.md": "gql`query No {`",
  "src/node_modules/x/x.graphql": "query No {",
  "src/.cache/x.graphql": "query No {",
};

describe("pgcrm persist", () => {
  test("finds operations wherever they are written, with their fragments from wherever", async () => {
    write(everywhere);
    const { code, stdout } = await persist();
    expect([code, stdout]).toEqual([0, "5 operations in out: 5 added, 0 removed.\n"]);
    expect(Object.keys(persisted()).sort()).toEqual(["Me", "One", "People", "Stages", "Two"]);
    expect(persisted().People).toBe(
      [
        "query People($first: Int!) {\n  contacts(first: $first) {\n    nodes {\n      ...Person\n    }\n  }\n}",
        "fragment Home on Company {\n  id\n  name\n}",
        "fragment Person on Contact {\n  id\n  company {\n    ...Home\n  }\n}",
      ].join("\n\n"),
    );
  });

  test("writes the same again, however the code is laid out, and nothing anew", async () => {
    write(everywhere);
    await persist("--manifest", "manifest.json");
    const before = [persisted(), readFileSync(join(folder, "manifest.json"), "utf8")];
    write({
      "src/a.ts":
        "const q = gql`query People($first:Int!){contacts(first:$first){nodes{...Person}}}`",
    });
    const { stdout } = await persist("--manifest", "manifest.json");
    expect(stdout).toBe("5 operations in out: 0 added, 0 removed.\n");
    expect([persisted(), readFileSync(join(folder, "manifest.json"), "utf8")]).toEqual(before);
  });

  test("keeps what older clients ask for, unless it is told to prune", async () => {
    write({ "src/a.gql": "query A { currentUserId }" });
    await persist();
    write({ "src/a.gql": "query B { currentUserId }" });
    await persist();
    expect(Object.keys(persisted()).sort()).toEqual(["A", "B"]);
    await persist("--prune");
    expect(Object.keys(persisted())).toEqual(["B"]);
  });

  test("lists names and hashes for the client in Apollo's form", async () => {
    write({ "src/a.gql": "query A { currentUserId }" });
    await persist("--manifest", "gen/manifest.json");
    const body = "query A {\n  currentUserId\n}";
    const id = createHash("sha256").update(body).digest("hex");
    expect(JSON.parse(readFileSync(join(folder, "gen/manifest.json"), "utf8"))).toEqual({
      format: "apollo-persisted-query-manifest",
      version: 1,
      operations: [{ id, name: "A", type: "query", body }],
    });
  });

  test("asks for __typename as caches do, where it is told to", async () => {
    write({
      "src/a.gql":
        "query A { contacts { nodes { id ... on Contact { __typename } } pageInfo { hasNextPage } } }",
    });
    await persist("--typename");
    expect(persisted().A?.replace(/\s+/g, " ")).toBe(
      "query A { contacts { nodes { id ... on Contact { __typename } __typename } pageInfo { hasNextPage __typename } __typename } }",
    );
  });

  test("validates against the schema that it is given", async () => {
    write({
      "src/a.gql": "query A { custom }",
      "crm.graphql": "type Query { custom: Int }",
    });
    expect((await persist()).code).toBe(1);
    expect((await persist("--schema", "crm.graphql")).code).toBe(0);
    const { code, faults } = await persist("--schema", "src/a.gql");
    expect([code, faults[0]]).toEqual([2, expect.stringContaining("src/a.gql cannot be read")]);
  });

  test("tells all that is wrong with file, line and column, and writes nothing", async () => {
    write({
      "src/a.ts": [
        "const ok = gql`query Ok { currentUserId }`;",
        "const b = gql`",
        "  query Wrong {",
        "    contacts { nodes { firstNam } }",
        "  }",
        "`;",
        "const c = gql`query Dynamic { contacts { nodes {",
        "  ${fields}",
        "} } }`;",
        "const d = gql`{ currentUserId }`;",
        "const e = gql`query Syntax { contacts { }`;",
      ].join("\n"),
      "src/b.gql": "query Ok { currentUserId other: currentUserId }\nquery Lost { ...Nowhere }",
      "src/c.js": "const = 7; gql``",
      "src/d.gql": `query Big { companies { nodes { ${Array.from({ length: 31 }, (_, i) => `a${i}: id`).join(" ")} } } }`,
      "src/e.vue": "<template />\n<script>\nconst q = gql`query InVue { nowhere }`;\n</script>",
      "src/f.gql":
        "query Round { ...a }\nfragment a on Query { ...b }\nfragment b on Query { ...a }",
    });
    const { code, stdout, faults } = await persist();
    expect([code, stdout]).toEqual([1, ""]);
    const places = faults.map((line) => /^[\w./]+:\d+:\d+(?= \S)/.exec(line)?.[0] ?? line);
    expect(places.sort()).toEqual(
      [
        "Nothing was written: 10 faults.",
        "src/a.ts:4:24",
        "src/a.ts:8:1",
        "src/a.ts:10:15",
        "src/a.ts:11:41",
        "src/b.gql:1:1",
        "src/b.gql:2:17",
        "src/c.js:1:7",
        "src/d.gql:1:1",
        "src/e.vue:3:29",
        "src/f.gql:2:23",
      ].sort(),
    );
  });

  test("tells where there is nothing to do", async () => {
    expect((await persist()).code).toBe(2);
    write({ "src/a.ts": "export {};" });
    expect((await persist()).faults).toEqual(["There are no operations in src."]);
  });
});
