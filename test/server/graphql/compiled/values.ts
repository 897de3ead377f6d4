import {
  getNamedType,
  getNullableType,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from "graphql";

import { rawNumber } from "../../../properties/mutation-inputs.ts";

/** A source of choices, which a seed determines. */
export interface Draw {
  /** Returns a whole number from 0 on, less than `count`. */
  below(count: number): number;
}

/** What rows contain, by the name of the field; ids by `Contact.id`. */
export type Known = ReadonlyMap<string, readonly unknown[]>;

/** Draws a value. Each call returns another value, mostly of the same shape. */
export type Draft = () => unknown;

export function any<Item>(draw: Draw, items: readonly Item[]): Item {
  const item = items[draw.below(items.length)];
  if (item === undefined && items.length === 0) throw new Error("there is nothing to choose from");
  return item as Item;
}

/** Is true in so many of a hundred cases. */
export function chance(draw: Draw, percent: number): boolean {
  return draw.below(100) < percent;
}

/** Returns some of the items, in their order. */
export function some<Item>(draw: Draw, items: readonly Item[], most: number): Item[] {
  const chosen = new Set(Array.from({ length: 1 + draw.below(most) }, () => any(draw, items)));
  return items.filter((item) => chosen.has(item));
}

/** Texts that are handled in a special way somewhere between a client and a row. */
const hostile = [
  ...["'", '"', "\\", "a\\", "\\\\", "%", "_", "a%b_c", "\\%", "$1", "${x}", "--", "/*", "''"],
  ...["", " ", "\t\n", "\u00a0", "\u200b", "null", "NULL", "{}", "{a,b}", '{"a":1}', "[1]", "1"],
  ...[
    "😀",
    "👩‍👩‍👧",
    "שלום",
    "\u202eabc",
    "a\u2028b",
    "a\u2029b",
    "\u0001\u001f\u007f",
    "é",
    "e\u0301",
  ],
  ...[
    "İ",
    "ß",
    "ﬃ",
    "__proto__",
    "constructor",
    "1e400",
    "a\r\nb",
    "x'; drop table crm.contacts; --",
  ],
];

const uuid = (draw: Draw): string => {
  const hex = Array.from({ length: 32 }, () => draw.below(16).toString(16)).join("");
  return hex
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-4$3-$4-$5")
    .replace(/(-4.{3})./, "$1");
};

const numbers: Readonly<Record<string, readonly unknown[]>> = {
  Int: [0, 1, 2, 3, 5, 10, 50, 100, -1, 2147483647, -2147483648],
  Float: [0, 0.5, 1, 2.25, -1.5, 1e21, 0.1],
  BigInt: ["0", "1", "42", "-7", "9223372036854775807", 3],
  BigFloat: [
    ...[
      "0",
      "1.50",
      "1.5",
      "-0.00",
      "1000",
      "12345678901234567890.5",
      ".5",
      "5.",
      "+1.50e1",
      "99.99",
    ],
    ...[rawNumber("1.50"), rawNumber("12345678901234567890.5"), 7, -0.25, 1e21],
  ],
};

const days = ["2026-01-31", "2025-12-01", "2024-02-29", "0001-01-01", "9999-12-31", "2026-11-30"];
const times = [
  ...["2026-01-31T12:00:00Z", "2026-11-30T23:59:59.123456+02:00", "0001-01-02T00:00:00Z"],
  ...["9999-12-30T00:00:00Z", "2026-06-01T00:00:00"],
];
const json = [
  ...[{}, [], 0, 1, "x", true, null, { a: null }, { a: { b: [1, "2", { c: null }] } }, [1, 2], "'"],
  ...[
    { "": 1 },
    { "a'b": "c\\" },
    { score: rawNumber("1.50") },
    { $merge: {} },
    "",
    { __proto__: 1 },
  ],
  ...[{ score: rawNumber("12345678901234567890.5") }, { $merge: { topic: "x" } }, 1.5],
];
const cursors = [
  ...[
    "",
    "x",
    "bm90IGpzb24=",
    "WyJuYXR1cmFsIiwxXQ==",
    "W10=",
    "WyJhIixbImIiLCJjIl0sImQiXQ==",
    "😀",
  ],
];

/** Draws a text that rows contain in a field, a part of it, or a hostile one. */
function textOf(draw: Draw, known: Known, name: string, odd: number): string {
  const texts = (known.get(name) ?? []).filter((value) => typeof value === "string");
  const all = texts.length > 0 && !chance(draw, odd) ? texts : (known.get("texts") as string[]);
  if (all.length === 0 || chance(draw, odd)) {
    return chance(draw, 3) ? any(draw, ["x", "é", "a@"]).repeat(300) : any(draw, hostile);
  }
  const text = any(draw, all);
  if (!chance(draw, odd)) return text;
  const begin = draw.below(text.length);
  const part = text.slice(begin, begin + 1 + draw.below(6));
  return chance(draw, 30) ? part.toUpperCase() : part;
}

function scalarOf(draw: Draw, known: Known, type: string, { name, odd = 35 }: Place): unknown {
  switch (type) {
    case "ID": {
      if (chance(draw, Math.min(odd, 3))) return "no id";
      const own = known.get(name) ?? [];
      if (own.length > 0 && !chance(draw, odd / 2)) return any(draw, own);
      const ids = known.get("id") ?? [];
      const id = chance(draw, 90) && ids.length > 0 ? String(any(draw, ids)) : uuid(draw);
      return chance(draw, 5) ? id.toUpperCase() : id;
    }
    case "Boolean":
      return chance(draw, 50);
    case "Date":
      return !chance(draw, odd) ? any(draw, known.get(name) ?? days) : any(draw, days);
    case "Datetime":
      return !chance(draw, odd) ? any(draw, known.get(name) ?? times) : any(draw, times);
    case "JSON": {
      const own = known.get(name) ?? [];
      return own.length > 0 && chance(draw, 50) ? any(draw, own) : any(draw, json);
    }
    case "Cursor":
      return any(draw, cursors);
    case "String":
      return textOf(draw, known, name, odd);
    default: {
      const own = known.get(name) ?? [];
      const usual = own.filter((value) => typeof value === "number" || type.startsWith("Big"));
      if (usual.length > 0 && !chance(draw, odd)) return any(draw, usual);
      return any(draw, numbers[type] ?? ["x"]);
    }
  }
}

/** How a value is drawn. */
export interface Place {
  /** The name of the field in rows with such values. */
  readonly name: string;
  /** How many levels of input objects may follow. */
  readonly depth: number;
  /** The fields of input objects that may be set; all if it is not given. */
  readonly only?: (type: string, field: string) => boolean;
  /** How many of a hundred values are none that rows contain in the field. */
  readonly odd?: number;
  /** The values of enums, by the name of the field. */
  readonly enums?: Readonly<Record<string, string | undefined>>;
  /** Whether a field is always set, although the schema does not demand it. */
  readonly must?: (type: string, field: string) => boolean;
}

/** Members of a filter that say nothing of the field that they compare. */
const isOperator = (name: string): boolean => /^(every|some|none|and|or|not)$/.test(name);

/** Prepares the drawing of values of one type and, mostly, one shape. */
export function draftOf(draw: Draw, known: Known, type: GraphQLInputType, place: Place): Draft {
  const { name, depth, only, must, odd = 35 } = place;
  if (!isNonNullType(type) && chance(draw, Math.min(odd, 4))) return () => null;
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    const isOfObjects = isInputObjectType(getNamedType(nullable));
    const least = isOfObjects || odd < 10 ? 1 : 0;
    const count = least + draw.below(isOfObjects ? 2 : 4);
    const make = () => draftOf(draw, known, nullable.ofType, place);
    const items = Array.from({ length: count }, make);
    return () => {
      const values = items.map((item) => item());
      // A list of scalars may have any length.
      const last = items.at(-1);
      if (last && !isOfObjects && chance(draw, 30)) values.push(last());
      return odd < 10 ? [...new Set(values)] : values;
    };
  }
  if (isEnumType(nullable)) {
    const value = place.enums?.[name] ?? any(draw, nullable.getValues()).name;
    return () => value;
  }
  if (!isInputObjectType(nullable)) return () => scalarOf(draw, known, nullable.name, place);

  const isFilter = nullable.name.endsWith("Filter");
  const fields = Object.values(nullable.getFields()).filter(
    (field) => isNonNullType(field.type) || (only?.(nullable.name, field.name) ?? true),
  );
  const open = fields.filter(
    (field) =>
      !isNonNullType(field.type) && (depth > 0 || !isInputObjectType(getNamedType(field.type))),
  );
  const chosen = new Set(open.length === 0 || chance(draw, 2) ? [] : some(draw, open, 2));
  const members = fields
    .filter(
      (field) =>
        chosen.has(field) || isNonNullType(field.type) || must?.(nullable.name, field.name),
    )
    .map((field) => {
      const isLeaf = !isInputObjectType(getNamedType(field.type));
      const of = isFilter && (isLeaf || isOperator(field.name)) ? name : field.name;
      const inner = {
        ...place,
        name: of,
        depth: isInputObjectType(getNamedType(field.type)) ? depth - 1 : depth,
      };
      return [field.name, draftOf(draw, known, field.type, inner)] as const;
    });
  return () => Object.fromEntries(members.map(([key, draft]) => [key, draft()]));
}

/** Writes a value in a document. */
export function literalOf(type: GraphQLInputType | undefined, value: unknown): string {
  if (value === null || value === undefined) return "null";
  const nullable = type && getNullableType(type);
  if (Array.isArray(value)) {
    const item = nullable && isListType(nullable) ? nullable.ofType : undefined;
    return `[${value.map((member) => literalOf(item, member)).join(", ")}]`;
  }
  if (typeof value === "object") {
    const fields = nullable && isInputObjectType(nullable) ? nullable.getFields() : {};
    const members = Object.entries(value).map(
      ([name, member]) => `${name}: ${literalOf(fields[name]?.type, member)}`,
    );
    return `{ ${members.join(", ")} }`;
  }
  if (typeof value !== "string") return JSON.stringify(value);
  if (nullable && isEnumType(getNamedType(nullable))) return value;
  const [, digits] = /^#number:([^#]*)#$/.exec(value) ?? [];
  return digits ?? JSON.stringify(value);
}
