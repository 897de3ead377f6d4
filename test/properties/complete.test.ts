import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "@jest/globals";

import { createApis } from "./apis.ts";

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".ts"));
const read = (name: string) => readFileSync(join(import.meta.dirname, name), "utf8");
/** The files of the specification's properties; others have laws of their own, and their own ways. */
const chapters = files.filter(
  (name) => name !== "complete.test.ts" && read(name).includes("// Feature: core-data-models,"),
);
/** Everything that is put through the APIs. */
const throughApis = files.filter(
  (name) => name !== "complete.test.ts" && read(name).includes("openApis();"),
);
const chaptersText = chapters.map(read).join("\n");

/** The tag of a property, whatever is departed from, and the test that is to follow at once. */
const tag = /^ *\/\/ Feature: core-data-models, Property (\d+): \S.*\n(?: *\/\/ .*\n)*(.*)/gm;

test("each of the 38 properties has its tag, once", () => {
  const numbers = [...chaptersText.matchAll(tag)].map(([, number]) => Number(number));
  expect(numbers.sort((a, b) => a - b)).toEqual(
    Array.from({ length: 38 }, (_, index) => index + 1),
  );
});

test("every tag stands above a test, which is neither skipped nor expected to fail", () => {
  const tagged = [...chaptersText.matchAll(tag)].map(([, , next]) => String(next).trim());
  expect(tagged).toEqual(tagged.map(() => expect.stringMatching(/^test\("/)));
  expect(chaptersText).not.toMatch(
    /\b(test|describe)\.(?!each\(apis\))|\b(it|fit|xit|xtest|xdescribe)\(/,
  );
});

test("every law is put to the test by holds(), a hundred times or more, through each API", () => {
  const runs = [...chapters, "apis.ts"].flatMap((name) => [
    ...read(name).matchAll(/numRuns: *([\w.]+)/g),
  ]);
  expect(runs.map(([, count]) => count)).toEqual(["25", "100"]); // the former on other releases
  expect(chaptersText).not.toMatch(/fc\.(assert|check|configureGlobal)/);
  for (const name of chapters) {
    const tests = [...read(name).matchAll(/\btest\(/g)];
    const laws = [...read(name).matchAll(/\bholds\(/g)];
    expect([name, laws.length]).toEqual([name, tests.length]);
    expect(read(name)).toMatch(/^describe\.each\(apis\)\(/m);
  }
});

test("the APIs are GraphQL, the repositories and plain SQL", () => {
  const closed = () => {
    throw new Error("no API leads to a database here");
  };
  expect(createApis(closed, closed).map(({ name }) => name)).toEqual([
    "GraphQL",
    "repository",
    "SQL",
  ]);
  expect(read("apis.ts")).toContain("    apis: createApis(\n");
});

test("no file picks its APIs, and few laws pass over what an API has no words for", () => {
  expect(throughApis).toEqual(expect.arrayContaining([...chapters, "limits.slow.test.ts"]));
  for (const name of throughApis) {
    const text = read(name);
    const told = (pattern: RegExp) => text.match(pattern) ?? [];
    expect([name, ...told(/^.*\bopenApis\(\).*$/gm)]).toEqual([
      name,
      expect.stringMatching(/^const \{ apis(, ownerUrl)? \} = openApis\(\);$/),
    ]);
    expect([name, ...told(/^ *describe\b.*$/gm)]).toEqual([
      name,
      expect.stringMatching(/^describe\.each\(apis\)\("[^"]+ through \$name", \(api\) => \{$/),
    ]);
    // What an API is called decides no more than whether an error has a class.
    expect([
      name,
      ...told(/\bapis\.(?!ts")\w+|\bchecksTypes\b|\bapi\.name\b(?! === "repository"\) expect)/g),
    ]).toEqual([name]);
  }
  const passing = throughApis.map((name) => [name, read(name).split("isTold(").length - 1]);
  expect(Object.fromEntries(passing.filter(([, calls]) => calls !== 0))).toEqual({
    "custom-fields.slow.test.ts": 2,
    "limits.slow.test.ts": 1,
    "repository.slow.test.ts": 1,
    "validation.slow.test.ts": 4,
  });
});
