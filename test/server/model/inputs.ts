import fc from "fast-check";

import { tables } from "../../../server/model/generated/tables.ts";
import { type EntityName } from "../../../server/model/schemas.ts";
import type { Check, Column, Table } from "../../../server/model/tables.ts";

/** Values of the columns that refer to other rows, by field. */
export type References = Readonly<Record<string, unknown>>;

/** An input, as anybody may send it. */
export type Input = Record<string, unknown>;

const absent = Symbol("absent");
const astral = "\u{1f600}";
const blanks = ["", " ", "\t\n", "\u00a0", "\u200b\u200d", "\ufeff \u3000", "\u0085", "\u180e"];
const unstorable = ["\0", "a\0b", "\ud800", "x\udc00y"];

/**
 * Inputs of an entity: most fields are right, some are wrong, and both come from the corners of
 * what the rules allow.
 *
 * @param operation which columns may be given.
 * @param references what columns that refer to other rows hold where they are right.
 */
export function inputsOf(
  entity: EntityName,
  operation: "create" | "update",
  references: References,
): fc.Arbitrary<Input> {
  const table: Table = tables[entity];
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [field, column] of Object.entries(table.columns)) {
    if (operation === "create" ? !column.insertable : !column.updatable) continue;
    const checks = table.checks.filter((check) => check.field === field);
    const right =
      field in references ? fc.constant(references[field]) : rightValue(field, column, checks);
    const isMandatory =
      operation === "create" && column.required && column.default === undefined && !column.derived;
    fields[field] = fc.oneof(
      { weight: 12, arbitrary: right },
      { weight: isMandatory ? 0 : 4, arbitrary: fc.constant(absent) },
      {
        weight: 1,
        arbitrary: anyValue(column, checks, field in references || field === "version"),
      },
    );
  }
  return fc.record(fields).map((input) => {
    const given = Object.entries(input).filter(([, value]) => value !== absent);
    return Object.fromEntries(given);
  });
}

/** Values that are of a column's type or of none, and keep its rules or break them. */
function anyValue(column: Column, checks: readonly Check[], formOnly: boolean) {
  const otherForms = fc.constantFrom<unknown>(
    ...[7, "7", 0.5, true, [], ["x"], {}, NaN, Infinity, 2 ** 31, "today", new Date(0), 10n],
  );
  if (formOnly) return otherForms.filter((value) => typeof value !== typeof sample(column));
  return fc.oneof(
    { weight: 3, arbitrary: cornerValue(column, checks) },
    { weight: 1, arbitrary: otherForms },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

function sample({ type }: Column): unknown {
  return type === "integer" ? 1 : "";
}

function rightValue(
  field: string,
  column: Column,
  checks: readonly Check[],
): fc.Arbitrary<unknown> {
  for (const check of checks) {
    if (check.rule === "oneOf") return fc.constantFrom(...check.values);
    if (check.rule === "range")
      return fc.integer({ min: check.least, max: check.most ?? 2 ** 31 - 1 });
    if (check.rule === "keys") {
      const member = text(0, 255);
      return fc.record(Object.fromEntries(check.keys.map((key) => [key, member])), {
        requiredKeys: [],
      });
    }
  }
  const limit = checks.find((check) => check.rule === "maxLength")?.limit ?? 255;
  switch (column.type) {
    case "date":
      return fc.constantFrom("0001-01-01", "2024-02-29", "2000-02-29", "1999-12-31", "9999-12-31");
    case "numeric":
      return fc.oneof(
        fc.integer({ min: -(10 ** 12), max: 10 ** 12 }).map((cents) => cents / 100),
        fc.constantFrom<unknown>(0, -0, "0.00", "9999999999999.99", "-1e12", ".5", "5.", "+1.50e1"),
      );
    case "boolean":
      return fc.boolean();
    case "jsonb":
      return fc.constantFrom({}, { gone: null });
    case "text[]":
      return field === "emails"
        ? fc.array(fc.oneof(fc.emailAddress(), internationalAddress), { maxLength: 4 })
        : fc.uniqueArray(text(1, 255), { minLength: field === "enumValues" ? 1 : 0, maxLength: 4 });
    default:
      return field === "name" && checks.some((check) => check.rule === "pattern")
        ? fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{5,99}$/)
        : text(1, limit);
  }
}

/** Addresses with letters of any script, and with what only looks like one. */
const internationalAddress = fc
  .tuple(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 5 }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 3 }),
    fc.constantFrom("köln.de", "пример.рф", "例子.中国", "a\u200db.de", "☃.net", "مثال.إختبار"),
    fc.boolean(),
  )
  .map(([local, strange, domain, isStrange]) =>
    isStrange ? `${local}@${strange}.${domain}` : `${local}@${domain}`,
  );

/** Text whose length, in characters, is at or near a limit often enough. */
function text(least: number, most: number): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
    fc.constantFrom("a", 'O\'Brien "q" \\', `z${astral}`, "%s", "$1"),
    fc.constantFrom(least, most).map((length) => astral.repeat(Math.max(length, 1))),
  );
}

function cornerValue(column: Column, checks: readonly Check[]): fc.Arbitrary<unknown> {
  const limit = checks.find((check) => "limit" in check)?.limit;
  const most = typeof limit === "number" ? limit : 255;
  const corners = fc.constantFrom(
    ...[
      ...blanks,
      ...unstorable,
      astral.repeat(most),
      astral.repeat(most + 1),
      "é".repeat(most + 2),
    ],
    ...[
      "usd",
      "US",
      "USD ",
      "open ",
      "1abc",
      "a-b",
      "a\n",
      '"'.repeat(60),
      "\u0001".repeat(most + 1),
    ],
  );
  switch (column.type) {
    case "date":
      return fc.constantFrom<unknown>(
        ...[
          "2023-02-29",
          "1900-02-29",
          "2024-04-31",
          "0000-01-01",
          "10000-01-01",
          "2024-1-1",
          "now",
        ],
        ...["infinity", "2024-02-29T00:00:00Z", "", 20240229],
      );
    case "numeric":
      return fc.oneof(
        fc.double(),
        fc.float().map(String),
        fc.constantFrom<unknown>(
          ...["NaN", "Infinity", "0x1F", " 5", "1_000", "1.234", "1.2340e1", "-1.005", "1e999"],
          ...[
            "0e999",
            "1e-999",
            "10000000000000",
            "-10000000000000.00",
            "9999999999999.991",
            5e-324,
          ],
          ...[1e13, 1e21, 0.1 + 0.2, 2 ** 53 + 2, "9007199254740993"],
        ),
      );
    case "integer":
      return fc.constantFrom(-1, 0, 100, 101, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 1.5, -0);
    case "jsonb":
      return fc.oneof(
        fc.constantFrom<unknown>([], "text", 7, [null], { nul: "\0" }, { n: NaN }, { f: () => 1 }),
        checks.some((check) => check.rule === "keys")
          ? fc.dictionary(
              fc.constantFrom("city", "street", "zip", "", "k\n", astral.repeat(90), "__proto__"),
              fc.oneof(corners, fc.constantFrom<unknown>(null, 1, {}, [], ["x"], undefined)),
              { maxKeys: 4 },
            )
          : fc.constant([]),
      );
    case "text[]":
      return fc.oneof(
        fc.array(fc.oneof(corners, fc.emailAddress(), fc.constant(null)), { maxLength: 3 }),
        fc.constantFrom<unknown>(
          ...[
            ["a@b.de\n"],
            ["a@b"],
            ["ä@b.de"],
            ["b@ä.de"],
            ["a\u200b@b.de"],
            ["a@b.de", "a@b.de"],
            [["a@b.de"]],
            [1],
            [],
          ],
          ...[[`${"a".repeat(249)}@b.de`], [`${"a".repeat(248)}@b.de`], ["a@-b.de"], ["a..b@c.de"]],
          ...[Array(100).fill("a@b.de"), Array(101).fill("a@b.de"), [null], "a@b.de"],
        ),
      );
    default:
      return corners;
  }
}
