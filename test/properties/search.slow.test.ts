import { expect, test } from "@jest/globals";
import fc from "fast-check";

import { withRollback } from "../helpers/database.ts";
import { text } from "./arbitraries.ts";

/** What means something to a parser of queries, to a pattern, or to HTML. */
const metacharacters = [
  ...Array.from("&|!()<>:*\"'\\-+%_^$.?[]{}~/@#;,`="),
  "<->",
  "<2>",
  ":*A",
  " or ",
  " OR -",
  '"',
  '-"',
  "''",
  "\\'",
  "&amp;",
  "<mark>",
  "</mark>",
  "\u0001",
  "\u00a0",
  "\u200b",
  "ﷺ",
  "½",
  "👩🏽‍🚀",
  "0",
  "1234567",
  "+49 (30) ",
  "ada",
  "O'Brien",
  "ß",
];

/** Characters that the parser of PostgreSQL does not know: it takes their variants for one long word. */
const unknown = String.fromCodePoint(
  ...[0x40000, 0x40000, 0x40001, 0x40002, 0x40003, 0x12544, 0x40000, 0xd7fc, 0x40000],
  ...[0x40001, 0x40002, 0x40000, 0x40001, 0x40002, 0x40000, 0x40001, 0x40002],
);

const hostile = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom(...metacharacters), { maxLength: 40 }) },
  { weight: 2, arbitrary: fc.array(text(40), { maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...metacharacters).map((character) => [character.repeat(1000)]),
  },
);
const query = hostile.map((parts) => Array.from(parts.join("")).slice(0, 1000).join(""));

test("whatever is typed is searched for, without an error and without a notice", () =>
  withRollback(async (client) => {
    await client.query(
      "insert into crm.companies (id, name) values ('00000000-0000-0000-0000-00000000000a', 'Ada')",
    );
    const notices: string[] = [];
    client.on("notice", ({ message }) => notices.push(message ?? ""));
    await fc.assert(
      fc.asyncProperty(query, async (typed) => {
        await client.query("select * from crm.search($1)", [typed]);
      }),
      { numRuns: 300, examples: [[unknown]] },
    );
    expect(notices).toEqual([]);
  }));

test("what a name has is found by it whole, and by each of its words", () =>
  withRollback(async (client) => {
    const word = fc.string({
      unit: fc.constantFrom(...Array.from("aäbcdeéfghijklmnoöpqrsßtuüvwxyzøłąčАБВабвαβγ")),
      minLength: 3,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 5 }), async (words) => {
        await client.query("savepoint before");
        const { rows } = await client.query<{ id: string }>(
          "insert into crm.companies (name) values ($1) returning id",
          [words.join(" - ")],
        );
        for (const typed of [
          words.join(" "),
          ...words.filter((one) => one.toLowerCase() !== "or"),
        ]) {
          const found = await client.query<{ entity_id: string }>("select * from crm.search($1)", [
            typed,
          ]);
          expect(found.rows.map((hit) => hit.entity_id)).toEqual([rows[0]?.id]);
        }
        await client.query("rollback to savepoint before");
      }),
      { numRuns: 100 },
    );
  }));

test("an extract without its marks is a passage of the text, and has no other markup", () =>
  withRollback(async (client) => {
    const content = hostile.map((parts) => Array.from(parts.join(" ")).slice(0, 100_000).join(""));
    const long = fc
      .tuple(content, fc.nat(400), content)
      .map(([a, n, b]) => `${a} ${"hay ".repeat(n)}${b}`);
    await fc.assert(
      fc.asyncProperty(long, query, async (value, typed) => {
        const { rows } = await client.query<{ extract: string }>(
          `select crm_private.search_extract($1, marks, stems, near, number) as extract
           from crm_private.search_query($2)`,
          [value, `ada ${typed}`.slice(0, 1000)],
        );
        const extract = rows[0]?.extract ?? "";
        const bare = extract.replace(/<mark>([^<>]*)<\/mark>/g, "$1");
        expect(bare).not.toMatch(/[<>"']/);
        expect(value).toContain(unescape(bare));
      }),
      { numRuns: 300 },
    );
  }));

function unescape(html: string): string {
  const characters: Record<string, string> = { lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" };
  return html.replace(/&(lt|gt|quot|#39|amp);/g, (_, name: string) => characters[name] ?? "");
}
