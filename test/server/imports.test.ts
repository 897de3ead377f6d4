import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";

import { expect, test } from "@jest/globals";

/* Which file of server/ imports which. */

const server = join(import.meta.dirname, "../../server");
const names = (await readdir(server, { recursive: true })).filter((name) => name.endsWith(".ts"));

interface Import {
  readonly from: string;
  /** Whether it is gone when the types are. */
  readonly isType: boolean;
}

function importsOf(path: string): Import[] {
  const source = readFileSync(path, "utf8").replaceAll(/^\s*\*.*$/gm, "");
  const found = source.matchAll(
    /^(?:import|export)(?<type> type)?\s[^;"]*?from "(?<from>[^"]+)"|^import "(?<bare>[^"]+)"|import\("(?<late>[^"]+)"\)/gm,
  );
  return [...found].map(({ groups = {} }) => ({
    from: groups.from ?? groups.bare ?? groups.late ?? "",
    isType: groups.type !== undefined,
  }));
}

const graph = new Map(
  names.map((name) => {
    const path = join(server, name);
    return [path, importsOf(path)] as const;
  }),
);

const isOwn = ({ from }: Import) => from.startsWith(".");
const target = (path: string, { from }: Import) => resolve(dirname(path), from);

test("no file imports itself by way of others, types included", () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) {
      const circle = [...trail.slice(trail.indexOf(path)), path];
      circles.push(circle.map((each) => relative(server, each)).join(" → "));
      return;
    }
    if (done.has(path)) return;
    for (const each of graph.get(path)?.filter(isOwn) ?? []) {
      visit(target(path, each), [...trail, path]);
    }
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  expect(circles).toEqual([]);
  expect(graph.size).toBeGreaterThan(100);
});

test("pgcrm/client needs pg and zod, and no other package", () => {
  const reached = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string) => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const each of graph.get(path)?.filter(({ isType }) => !isType) ?? []) {
      if (isOwn(each)) visit(target(path, each));
      else if (!each.from.startsWith("node:")) packages.add(each.from);
    }
  };
  visit(join(server, "client.ts"));
  expect([...packages].sort()).toEqual(["pg", "zod"]);
  expect(reached.size).toBeGreaterThan(20);
});

test("names of files are in kebab-case", () => {
  expect(names.filter((name) => !/^[a-z0-9/-]+\.ts$/.test(name))).toEqual([]);
});
