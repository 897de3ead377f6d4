import fc from "fast-check";
import {
  getNamedType,
  getNullableType,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from "graphql";

import { day, type Data, money, text, unstorable } from "./arbitraries.ts";

/** What rows hold, and so what an input may well hold, by the name of the field. */
export type Samples = (field: string) => readonly unknown[];

const absent = Symbol("absent");

/**
 * A number as it stands in the body of a request, digit by digit: JSON.stringify writes only those
 * that JavaScript has. See {@link toJson}.
 */
export const rawNumber = (digits: string) => `#number:${digits}#`;

/** The body of a request, with raw numbers written as numbers. */
export function toJson(body: unknown): string {
  return JSON.stringify(body).replaceAll(/"#number:([^"#]*)#"/g, "$1");
}

const long = fc
  .tuple(fc.constantFrom("x", "é", "\u{1f600}", "a@", "-a."), fc.constantFrom(256, 10_001, 30_000))
  .map(([part, times]) => part.repeat(times));
const odd = fc.constantFrom(
  ...["", " ", "\t\n", "\u200b", "\u00a0", "NaN", "infinity", "today", "null", "0x1F", "%s", "$1"],
  ...["{}", "'", '"', "\\", "a@b", "x@y.z", "__proto__", "constructor", "1e400", "-0", "\u202e"],
);
const json = fc.oneof(
  fc.constantFrom<unknown>({}, [], null, 0, "x", { a: null }, { city: 1 }, { country: "DE" }),
  fc.jsonValue({ maxDepth: 3, stringUnit: "grapheme" }),
  fc.dictionary(text(20), fc.oneof(text(300), fc.integer(), fc.double({ noNaN: true }))),
);

/** Values that a scalar reads, by its name, whatever rules then say of them. */
const readable: Record<string, fc.Arbitrary<unknown>> = {
  Boolean: fc.boolean(),
  BigFloat: fc.oneof(
    money,
    fc.constantFrom<unknown>("1.005", "1e13", "-1e13", ".5", "5.", "+1.50e1", "1e-3", 12.5, -0.25),
    fc.integer(),
  ),
  BigInt: fc.bigInt({ min: -(10n ** 18n) + 1n, max: 10n ** 18n - 1n }).map(String),
  Date: day,
  Datetime: fc
    .date({ min: new Date("0001-01-02"), max: new Date("9999-12-30"), noInvalidDate: true })
    .map((date) => date.toISOString()),
  Float: fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(...["-764836191318372400000", "0.1234567890123456789"].map(rawNumber)),
  ),
  Int: fc.oneof(fc.integer({ min: -2, max: 101 }), fc.integer()),
  JSON: json.filter(isStorable),
  String: fc.oneof(
    { weight: 5, arbitrary: text(255) },
    { weight: 2, arbitrary: odd },
    { weight: 1, arbitrary: long },
  ),
  ID: fc.uuid(),
};

const notWritten = ["1e1000", "1e-1000", "1.2345678901234567891e1"].map(rawNumber);
const noNumbers = ["NaN", "Infinity", "-infinity", "", " ", "x", "0x1F", "1_000", "1,5", "٣"];
const noDays = ["2023-02-29", "2024-04-31", "0000-01-01", "10000-01-01", "-0001-01-01", "2024-1-1"];
const notions = ["today", "now", "infinity", "-infinity", "epoch", "", "2024-02-29 BC", 20240229];

/** Values that a scalar does not read, by its name. */
const unreadable: Record<string, fc.Arbitrary<unknown>> = {
  Boolean: fc.constantFrom<unknown>("true", 1, "t", {}),
  BigFloat: fc.constantFrom<unknown>(...noNumbers, ...notWritten, true, {}),
  BigInt: fc.constantFrom<unknown>(...noNumbers, ...notWritten, "1.5", 1.5, true, {}),
  Date: fc.constantFrom<unknown>(...noDays, ...notions, true, {}),
  Datetime: fc.constantFrom<unknown>(...noDays, ...notions, "2024-02-30T00:00:00Z", true, {}),
  Float: fc.constantFrom<unknown>("1", true, {}, rawNumber("1e1000")),
  Int: fc.constantFrom<unknown>(1.5, 2 ** 31, "5", "x", true, {}, rawNumber("1e1000")),
  String: fc.oneof(unstorable, fc.constantFrom<unknown>(5, true, {}, rawNumber("1e1000"))),
  ID: fc.constantFrom<unknown>("x", "", "00000000-0000-0000-0000-00000000000g", 5, true, {}),
};

/** Inputs that GraphQL reads; whether the rules hold is another matter. */
export function wellFormed(type: GraphQLInputObjectType, samples: Samples): fc.Arbitrary<Data> {
  return fc
    .record(
      Object.fromEntries(
        Object.values(type.getFields()).map((field) => [
          field.name,
          isNonNullType(field.type)
            ? valueOf(field.type, field.name, samples)
            : fc.oneof(
                { weight: 10, arbitrary: valueOf(field.type, field.name, samples) },
                { weight: 4, arbitrary: fc.constant(absent) },
                { weight: 1, arbitrary: fc.constant(null) },
              ),
        ]),
      ),
    )
    .map((input) =>
      Object.fromEntries(Object.entries(input).filter(([, value]) => value !== absent)),
    );
}

function valueOf(type: GraphQLInputType, name: string, samples: Samples): fc.Arbitrary<unknown> {
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    const item = valueOf(nullable.ofType, name, samples);
    return fc.array(fc.oneof({ weight: 9, arbitrary: item }, sampled(name, samples, item)), {
      maxLength: 3,
    });
  }
  if (isInputObjectType(nullable)) return wellFormed(nullable, samples);
  if (isEnumType(nullable)) {
    return fc.constantFrom(...nullable.getValues().map((value) => value.name));
  }
  const any = readable[getNamedType(nullable).name];
  if (any === undefined) throw new Error(`no values are known of ${String(nullable)}`);
  return fc.oneof({ weight: 6, arbitrary: sampled(name, samples, any) }, any);
}

/** What rows hold in a field, as it is when the value is generated. */
function sampled(name: string, samples: Samples, otherwise: fc.Arbitrary<unknown>) {
  return fc.tuple(fc.nat(), otherwise).map(([index, other]) => {
    const known = samples(name);
    return known.length === 0 ? other : known[index % known.length];
  });
}

/** Inputs that have one value in them that GraphQL, or this API, does not read. */
export function malformed(type: GraphQLInputObjectType, samples: Samples): fc.Arbitrary<Data> {
  return wellFormed(type, samples).chain((input) => spoilt(type, input, samples));
}

function spoilt(type: GraphQLInputObjectType, input: Data, samples: Samples): fc.Arbitrary<Data> {
  const fields = Object.values(type.getFields());
  const withValue = (name: string) => (value: unknown) => ({ ...input, [name]: value });
  const unknown = fc
    .constantFrom("nickname", "created_by", "createdBy", "", "toString", "constructor")
    .filter((name) => !Object.hasOwn(type.getFields(), name))
    .map((name) => withValue(name)("x"));
  const missing = fields.filter(({ type }) => isNonNullType(type)).map(({ name }) => name);
  return fc.oneof(
    ...(missing.length === 0
      ? []
      : [fc.constantFrom(...missing).map((name) => withValue(name)(null))]),
    unknown,
    ...fields.map((field) => {
      const nullable = getNullableType(field.type);
      const isList = isListType(nullable);
      const inner = getNamedType(nullable);
      const wrong = isInputObjectType(inner)
        ? fc.oneof(
            fc.constantFrom<unknown>(5, "x", true),
            given(input[field.name]).chain((value) => spoilt(inner, value, samples)),
          )
        : isEnumType(inner)
          ? fc.constantFrom<unknown>("NOT_THERE", 5, true, {})
          : inner.name === "JSON"
            ? spoiltJson(samples(field.name))
            : (unreadable[inner.name] ?? fc.constant({}));
      return (isList ? wrong.map((value) => [value]) : wrong).map(withValue(field.name));
    }),
  );
}

/** What a row holds, or anything, with a part of it that cannot be stored as it is. */
function spoiltJson(known: readonly unknown[]): fc.Arbitrary<unknown> {
  const object = fc.constantFrom<unknown>({ a: 1 }, ...known);
  const part = fc.oneof(unstorable, fc.constantFrom(...notWritten));
  return fc.tuple(object, part, fc.nat(), fc.boolean()).map(([value, wrong, at, isDeep]) => {
    const keys = Object.keys(value as object);
    const key = keys[at % keys.length] ?? "a";
    return { ...(value as object), [key]: isDeep ? [{ b: wrong }] : wrong };
  });
}

function given(value: unknown): fc.Arbitrary<Data> {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return fc.constant(typeof first === "object" && first !== null ? (first as Data) : {});
}

function isStorable(value: unknown): boolean {
  const json = JSON.stringify(value);
  return !json.includes("\\u0000") && !/\\ud[89a-f]/.test(json);
}
