import fc from "fast-check";

import { hasHidden, isBlank, isLegible, isPrintable } from "../../server/model/rules.ts";

/** What has a life of its own: it is created, read, changed and deleted by its id. */
export type Entity = "company" | "contact" | "deal" | "task" | "note" | "customFieldDefinition";

/** Those that tasks, notes and custom fields are attached to. */
export type Carrier = "company" | "contact" | "deal";

/** An input or a row, by the names that clients know. */
export type Data = Record<string, unknown>;

export const entities: readonly Entity[] = [
  "company",
  "contact",
  "deal",
  "task",
  "note",
  "customFieldDefinition",
];
export const carriers: readonly Carrier[] = ["company", "contact", "deal"];
export const stages = ["Prospecting", "Qualification", "Proposal", "Negotiation", "Won", "Lost"];
export const fieldTypes = ["text", "number", "date", "enum", "multi_enum", "boolean"] as const;
export type FieldType = (typeof fieldTypes)[number];

/** White space of every script, and what has no width. */
const invisible = Array.from(
  "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009" +
    "\u200a\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff",
);

/** Texts that have broken software before. */
const notorious = [
  ...Array.from("'\"\\%_$`?"),
  "O'Reilly",
  `"quoted" and 'quoted'`,
  "back\\slash\\",
  "100 %s %L %I %1$s",
  "$1, $$, $body$",
  "'; drop table contacts; --",
  "{}",
  "{NULL,null}",
  "null",
  "undefined",
  "__proto__",
  "constructor",
  "a\tb\r\nc",
  " padded ",
  "\tpadded\n",
  "\u3000padded\u00a0",
  "\u0001\u001f\u007f\u0080",
  "e\u0301\u0323 is not \u1eb9\u0301",
  "ẞ ﬁ İ ı ſ",
  "שָׁלוֹם",
  "\u202eright to left",
  "ゼロ幅\u200b",
  "👩🏽‍🚀🏳️‍🌈",
  "𝒳\u{10ffff}\uffff\ue000",
  "<b>&amp;</b>",
  "../../etc/passwd\u00a0",
];

/**
 * Any character that PostgreSQL's text can hold, which is all but NUL. The unit `binary` of
 * fast-check takes seconds to be made.
 */
const storable = fc
  .integer({ min: 1, max: 0x10ffff - 0x800 })
  .map((point) => String.fromCodePoint(point < 0xd800 ? point : point + 0x800));

/** A text of one line, such as a name, of at most so many characters, however many bytes they take. */
export function text(max: number): fc.Arbitrary<string> {
  return anyText(max).filter((value) => !isBlank(value) && isLegible(value));
}

/** A text of any number of lines, as {@link text} otherwise. */
export function lines(max: number): fc.Arbitrary<string> {
  return anyText(max).filter((value) => !isBlank(value) && isPrintable(value));
}

function anyText(max: number): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.string({ unit: storable, maxLength: Math.min(max, 30) }) },
    { weight: 4, arbitrary: fc.constantFrom(...notorious) },
    { weight: 2, arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: Math.min(max, 60) }) },
    { weight: 1, arbitrary: storable.map((character) => character.repeat(max)) },
  );
}

const atom = fc.string({
  unit: fc.constantFrom(...Array.from("abcxyzABC0129!#$%&'*+/=?^_`{|}~-")),
  minLength: 1,
  maxLength: 12,
});
const host = fc.stringMatching(/^[A-Za-z0-9]{1,8}(-{1,2}[A-Za-z0-9]{1,4})?$/);

const email = fc.oneof(
  fc.emailAddress().filter((address) => address.length <= 254),
  fc
    .tuple(
      fc.array(atom, { minLength: 1, maxLength: 3 }),
      fc.array(host, { minLength: 2, maxLength: 4 }),
    )
    .map(([local, domain]) => `${local.join(".")}@${domain.join(".")}`),
  fc.constantFrom(
    "a@b.c",
    "ä@bücher.de",
    "O'Reilly@xn--bcher-kva.example",
    `${"l".repeat(242)}@example.com`,
  ),
);

/** Mostly few, sometimes none, sometimes as many as there may be. */
function listOf(item: fc.Arbitrary<string>): fc.Arbitrary<string[]> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.array(item, { maxLength: 4 }) },
    { weight: 1, arbitrary: item.map((one) => Array<string>(100).fill(one)) },
  );
}

/** A day of the Gregorian calendar, years 1 to 9999. */
export const day = fc.oneof(
  fc.constantFrom("0001-01-01", "9999-12-31", "2024-02-29", "2000-02-29", "0004-02-29"),
  fc.constantFrom("1900-02-28", "1582-10-10", "1969-12-31", "2026-03-29"),
  fc
    .date({ min: dayOf("0001-01-01"), max: dayOf("9999-12-31"), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10)),
);

function dayOf(text: string): Date {
  return new Date(`${text}T00:00:00Z`);
}

/** A decimal number of at most 13 digits before the point and two after it, written in any way. */
export const money = fc.oneof(
  fc.constantFrom("0", "-0", "0.00", "1.500", "007.5", "9999999999999.99", "-9999999999999.99"),
  fc
    .tuple(fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n }), fc.nat({ max: 2 }))
    .map(([cents, decimals]) => decimal(cents).slice(0, [-3, -1, undefined][decimals])),
);

function decimal(cents: bigint): string {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, "0");
  return `${cents < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

const nobodyOr = (arbitrary: fc.Arbitrary<string>) => fc.option(arbitrary, { nil: null });
const none = fc.constant(null);

/** No custom fields; one that is null is none. */
const noCustomFields = fc.oneof(
  fc.constant({}),
  fc.dictionary(fc.constantFrom("size", "a'b", "constructor", "%s", "😀"), none, { maxKeys: 2 }),
);

export const contact = fc.record<Data>(
  {
    firstName: text(255),
    lastName: text(255),
    emails: listOf(email),
    phones: listOf(text(255)),
    companyId: none,
    ownerId: nobodyOr(text(255)),
    customFields: noCustomFields,
  },
  { requiredKeys: ["firstName", "lastName"] },
);

const address = fc.record(
  {
    street: fc.oneof(text(255), fc.constantFrom("", " ")),
    city: text(255),
    state: text(255),
    postalCode: text(255),
    country: text(255),
  },
  { requiredKeys: [] },
);

export const company = fc.record<Data>(
  {
    name: text(255),
    address: fc.oneof(none, address),
    ownerId: nobodyOr(text(255)),
    customFields: noCustomFields,
  },
  { requiredKeys: ["name"] },
);

/** All but its company. */
export const deal = fc.record<Data>(
  {
    title: text(255),
    contactId: none,
    value: money,
    currency: fc.constantFrom("USD", "EUR", "JPY", "KWD", "XCG", "UYW"),
    stage: fc.constantFrom(...stages),
    probability: fc.oneof(fc.constantFrom(0, 100), fc.integer({ min: 0, max: 100 })),
    closeDate: fc.oneof(none, day),
    lostReason: nobodyOr(text(255)),
    ownerId: nobodyOr(text(255)),
    customFields: noCustomFields,
  },
  { requiredKeys: ["title", "value", "stage"] },
);

/** All but what it is attached to. */
export const task = fc.record<Data>(
  {
    description: lines(10_000),
    dueDate: fc.oneof(none, day),
    assignedTo: nobodyOr(text(255)),
    status: fc.constantFrom("open", "closed"),
  },
  { requiredKeys: ["description"] },
);

/** All but what it is attached to. */
export const note = fc.record<Data>({ content: fc.oneof(lines(1000), lines(100_000)) });

const fieldName = fc.oneof(
  fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,20}$/),
  fc.constantFrom("constructor", "toString", "select", "first_name", "a", "A", "x".repeat(100)),
);
const enumValues = fc.uniqueArray(text(255), { minLength: 1, maxLength: 5 });

/** A custom field of an entity: its definition, and values that keep it or break it. */
export interface Field {
  definition: {
    name: string;
    label: string;
    fieldType: FieldType;
    enumValues: string[] | null;
    required: boolean;
    minimum: string | null;
    maximum: string | null;
    maxLength: number | null;
  };
  good: unknown;
  other: unknown;
  bad: unknown;
}

/** All but the entity type of its definition. */
export const field: fc.Arbitrary<Field> = fc
  .tuple(fc.constantFrom(...fieldTypes), enumValues, fc.boolean())
  .chain(([fieldType, choices, isRuled]) => {
    const rules = isRuled ? ruled[fieldType] : undefined;
    const good = rules?.good ?? goodValue(fieldType, choices);
    const bad = badValue(fieldType, choices);
    return fc.record({
      definition: fc.record({
        name: fieldName,
        label: text(255),
        fieldType: fc.constant(fieldType),
        enumValues: fc.constant(isListed(fieldType) ? choices : null),
        required: fc.constant(false),
        minimum: fc.constant(rules?.minimum ?? null),
        maximum: fc.constant(rules?.maximum ?? null),
        maxLength: fc.constant(rules?.maxLength ?? null),
      }),
      good,
      other: good,
      bad: rules === undefined ? bad : fc.oneof(rules.bad, bad),
    });
  });

/** Rules that a field of a type may have, and values that keep them and that only break them. */
const ruled: Partial<
  Record<
    FieldType,
    {
      minimum?: string;
      maximum?: string;
      maxLength?: number;
      good: fc.Arbitrary<unknown>;
      bad: fc.Arbitrary<unknown>;
    }
  >
> = {
  text: {
    maxLength: 12,
    good: fc.oneof(
      text(12).filter((value) => !isLong(value)),
      fc.constantFrom("", "x".repeat(12), "👩".repeat(12)),
    ),
    bad: fc.oneof(fc.constantFrom("x".repeat(13), "👩".repeat(13)), text(100).filter(isLong)),
  },
  number: {
    minimum: "-10.50",
    maximum: "123456789012345678",
    good: fc.oneof(fc.integer({ min: -10 }), fc.constantFrom(-10.5, -1e-7, 0, 2 ** 53 - 1)),
    bad: fc.oneof(
      fc.constantFrom(-10.500000000000002, -11, -Number.MAX_VALUE, 123456789012345696, 1e21),
      fc.double({ max: -11, noDefaultInfinity: true, noNaN: true }),
    ),
  },
  date: {
    minimum: "1999-12-31",
    maximum: "2024-02-29",
    good: fc.oneof(
      fc.constantFrom("1999-12-31", "2000-01-01", "2024-02-28", "2024-02-29"),
      day.filter((value) => value >= "1999-12-31" && value <= "2024-02-29"),
    ),
    bad: fc.oneof(
      fc.constantFrom("1999-12-30", "0001-01-01", "2024-03-01", "9999-12-31"),
      day.filter((value) => value < "1999-12-31" || value > "2024-02-29"),
    ),
  },
};

function isLong(value: string): boolean {
  return Array.from(value).length > 12;
}

/** Whether a field of the type has a list of values. */
export function isListed(type: FieldType): boolean {
  return type === "enum" || type === "multi_enum";
}

/** Several fields of one entity, none called like another. */
export const fields = fc.uniqueArray(field, {
  minLength: 1,
  maxLength: 4,
  selector: ({ definition }) => definition.name,
});

/** A definition whole. */
export const customFieldDefinition: fc.Arbitrary<Data> = fc
  .tuple(field, fc.constantFrom(...carriers), fc.boolean(), fc.oneof(none, lines(1000)))
  .map(([{ definition }, entityType, required, description]) => ({
    ...definition,
    entityType,
    required,
    description,
    pattern: definition.fieldType === "text" ? "^.*$" : null,
  }));

/** A definition whole, with what it would do to other rows: give them values, or keep them apart. */
export const strictDefinition: fc.Arbitrary<Data> = fc
  .tuple(customFieldDefinition, field, fc.boolean())
  .map(([definition, { definition: own, good }, isUnique]) => ({
    ...definition,
    ...own,
    pattern: null,
    ...(isUnique
      ? { isUnique: canBeUnique(own), defaultValue: null }
      : { isUnique: false, defaultValue: good }),
  }));

function canBeUnique({ name, fieldType }: Field["definition"]): boolean {
  return !["boolean", "multi_enum"].includes(fieldType) && name.length <= 39;
}

export function goodValue(type: FieldType, choices: string[]): fc.Arbitrary<unknown> {
  switch (type) {
    case "text":
      return fc.oneof(lines(10_000), fc.constantFrom("", "null", "5", "true"));
    case "number":
      return fc.oneof(
        fc.double({ noDefaultInfinity: true, noNaN: true }).map(withoutMinusZero),
        fc.maxSafeInteger(),
        fc.constantFrom(0, 0.1, 1e-7, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 1e21, 2 ** 53),
      );
    case "date":
      return day;
    case "enum":
      return fc.constantFrom(...choices);
    case "multi_enum":
      return fc.shuffledSubarray(choices, { minLength: 1 });
    case "boolean":
      return fc.boolean();
  }
}

/** JSON writes no minus before zero. */
function withoutMinusZero(value: number): number {
  return value === 0 ? 0 : value;
}

const nested = fc.constantFrom<unknown>([], {}, [null], [1, "a"], { a: 1 }, { a: null });

export function badValue(type: FieldType, choices: string[]): fc.Arbitrary<unknown> {
  const others: Record<FieldType, fc.Arbitrary<unknown>> = {
    text: fc.oneof(fc.constantFrom<unknown>(5, 0, true, "x".repeat(10_001)), unstorable),
    number: fc.oneof(fc.constantFrom<unknown>("5", "", "NaN", "Infinity", true, [5]), text(20)),
    date: fc.oneof(fc.constantFrom<unknown>(20240229, true, ...noDays), text(20).filter(isNoDay)),
    enum: fc.oneof(
      fc.constantFrom<unknown>(5, true, "", [choices[0]], choices.join(" ,")),
      text(20),
    ),
    multi_enum: fc.oneof(
      fc.constantFrom<unknown>(5, true, "", choices[0], [choices[0], choices[0]], [[choices[0]]]),
      fc.constantFrom<unknown>([...choices, null], [...choices, "no choice of these"], [0]),
      text(20),
    ),
    boolean: fc.constantFrom<unknown>("true", "false", "t", "on", "", 0, 1),
  };
  return fc.oneof(others[type], nested).filter((value) => {
    const isChoice = type === "enum" && typeof value === "string" && choices.includes(value);
    return !isChoice;
  });
}

const noDays = [
  ...["2023-02-29", "1900-02-29", "2024-02-30", "2024-04-31", "2024-13-01", "2024-00-10"],
  ...["0000-01-01", "10000-01-01", "-0001-01-01", "2024-1-1", "24-01-01", "20240229"],
  ...["today", "infinity", "-infinity", "epoch", "allballs", "", " ", "2024-02-29 "],
  ...["2024-02-29T00:00:00Z", "02/29/2024", "2024-02-29 BC", "２０２４-01-01", "2024-01-01\n"],
];

function isNoDay(value: string): boolean {
  return !/^\d{4}-\d\d-\d\d$/.test(value);
}

// ---------------------------------------------------------------------------------------------
// What must be refused
// ---------------------------------------------------------------------------------------------

/** One field with a value that it cannot have. */
export interface Fault {
  /** The key of the error's `fields`, or the beginning of it up to a point. */
  field: string;
  value: unknown;
}

/** NUL, and halves of surrogate pairs: no text of PostgreSQL holds them. */
export const unstorable = fc.constantFrom("nul \0", "\0", "lone \ud800", "\udfff lone");
const blank = fc.string({ unit: fc.constantFrom(...invisible), maxLength: 6 });
const tooLong = (max: number) =>
  fc
    .tuple(storable, fc.integer({ min: 1, max: 3 }))
    .map(([character, more]) => character.repeat(max + more))
    .filter(isLegible);
const notText = fc.constantFrom<unknown>(5, 0, true, false, [], ["a"], {}, { a: 1 });
const notDay = fc.constantFrom<unknown>(...noDays, 20240229, true, [], {});
const notId = fc.constantFrom<unknown>("x", "", "00000000-0000-0000-0000-00000000000g", 5, {}, []);

/** Keys that no input has; some that rows have, some that objects of JavaScript have. */
export const unknownKeys = [
  ...["nickname", "first_name", "", "createdBy", "createdAt", "updatedBy", "updatedAt", "id"],
  ...["constructor", "toString", "hasOwnProperty", "__proto__"],
];

function faulty(field: string, ...values: fc.Arbitrary<unknown>[]): fc.Arbitrary<Fault> {
  return fc.oneof(...values).map((value) => ({ field, value }));
}

const unknownKey = fc.constantFrom(...unknownKeys).map((field) => ({ field, value: "x" }));
const noText = (field: string) => faulty(field, notText, unstorable);
const wrongText = (field: string, max: number) => faulty(field, blank, tooLong(max));

const wrongEmail = fc.oneof(
  fc.constantFrom("", " ", "ada", "ada@", "@b.c", "a@b", "a@@b.c", "a b@c.d", "a@b..c", ".a@b.c"),
  fc.constantFrom("a.@b.c", "a@-b.c", "a@b-.c", "a@b.c ", "a@b.c\n", "a@b_c.d", "a,b@c.d"),
  fc.constantFrom("Ada <a@b.c>", "mailto:a@b.c", "ä@bücher", "a@☃.net", '"a"@b.c', "a@[::1]"),
  fc.constantFrom(`${"l".repeat(243)}@example.com`),
  text(30).filter((value) => !value.includes("@")),
);
const inList = <Item>(item: fc.Arbitrary<Item>, others: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.array<unknown>(others, { maxLength: 3 }), item, fc.nat())
    .map(([list, bad, at]) => list.toSpliced(at % (list.length + 1), 0, bad));
const noTexts = (others: fc.Arbitrary<string>) =>
  fc.oneof(
    inList(fc.oneof(unstorable, fc.constantFrom<unknown>(5, true, { a: 1 })), others),
    fc.constantFrom<unknown>(5, true, { a: 1 }),
  );

/** Values of a wrong type, that cannot be stored, or whose key is not known: no rule is asked. */
const malformed: Record<Entity, fc.Arbitrary<Fault>> = {
  contact: fc.oneof(
    noText("firstName"),
    noText("lastName"),
    faulty("emails", noTexts(email)),
    faulty("phones", noTexts(text(255))),
    faulty("companyId", notId),
    noText("ownerId"),
    unknownKey,
  ),
  company: fc.oneof(noText("name"), noText("ownerId"), unknownKey),
  deal: fc.oneof(
    noText("title"),
    faulty("companyId", notId),
    faulty("contactId", notId),
    faulty(
      "value",
      fc.constantFrom<unknown>("NaN", "Infinity", "-infinity", "", " ", "x", "1,5", "$5", "0x1F"),
      fc.constantFrom<unknown>(true, [], {}, 2 ** 53, "1_000"),
    ),
    noText("currency"),
    noText("stage"),
    faulty("probability", fc.constantFrom<unknown>(1.5, 2 ** 31, "50", "high", true, [])),
    faulty("closeDate", notDay),
    noText("ownerId"),
    unknownKey,
  ),
  task: fc.oneof(
    noText("description"),
    faulty("dueDate", notDay),
    noText("assignedTo"),
    noText("status"),
    noText("entityType"),
    faulty("entityId", notId),
    unknownKey,
  ),
  note: fc.oneof(noText("content"), noText("entityType"), faulty("entityId", notId), unknownKey),
  customFieldDefinition: fc.oneof(
    noText("name"),
    noText("label"),
    noText("entityType"),
    noText("fieldType"),
    faulty("enumValues", noTexts(text(255))),
    faulty("required", fc.constantFrom<unknown>("true", 1, "yes", [], {})),
    noText("description"),
    noText("minimum"),
    noText("pattern"),
    faulty("maxLength", fc.constantFrom<unknown>(1.5, 2 ** 31, "5", true, [])),
    faulty("isUnique", fc.constantFrom<unknown>("true", 1, [], {})),
    unknownKey,
  ),
};

/** Values of the right type that break a rule. */
const forbidden: Record<Entity, fc.Arbitrary<Fault>> = {
  contact: fc.oneof(
    wrongText("firstName", 255),
    wrongText("lastName", 255),
    faulty("emails", inList(wrongEmail, email), fc.constant(Array(101).fill("a@b.c"))),
    faulty(
      "phones",
      inList(fc.oneof(blank, tooLong(255)), text(255)),
      fc.constant(Array(101).fill("1")),
    ),
    wrongText("ownerId", 255),
  ),
  company: fc.oneof(
    wrongText("name", 255),
    faulty(
      "address",
      fc
        .tuple(fc.constantFrom("street", "city", "state", "postalCode", "country"), tooLong(255))
        .map(([key, value]) => ({ street: "Main Street 1", [key]: value })),
    ),
    wrongText("ownerId", 255),
  ),
  deal: fc.oneof(
    wrongText("title", 255),
    faulty(
      "value",
      fc.constantFrom("0.001", "-1.005", "10000000000000", "-10000000000000.00", "1e13", "1e-3"),
      fc.constantFrom(0.125, 1e13),
    ),
    faulty("currency", fc.constantFrom("usd", "US", "XXX", "ZZZ", "DEM", "", " ", "USDX")),
    // A range of numbers is missed at its ends, so they come often.
    ...[-1, 101, 2 ** 31 - 1].map((value) => faulty("probability", fc.constant(value))),
    wrongText("ownerId", 255),
  ),
  task: fc.oneof(
    wrongText("description", 10_000),
    wrongText("assignedTo", 255),
    faulty("status", fc.constantFrom("done", "OPEN", "", " open")),
    faulty("entityType", fc.constantFrom("task", "contacts", "Contact", "")),
  ),
  note: fc.oneof(
    wrongText("content", 100_000),
    faulty("entityType", fc.constantFrom("note", "deals", "Deal", "")),
  ),
  customFieldDefinition: fc.oneof(
    faulty(
      "name",
      fc.constantFrom("", "1st", "_a", "a b", "a-b", "é", "a\n"),
      fc.constant("x".repeat(101)),
    ),
    wrongText("label", 255),
    faulty("entityType", fc.constantFrom("task", "note", "contacts", "Deal", "")),
    faulty("fieldType", fc.constantFrom("string", "TEXT", "json", "")),
    faulty(
      "enumValues",
      fc.constantFrom([], ["a", "a"], ["a", " "]),
      tooLong(255).map((value) => [value]),
      fc.constant(Array.from({ length: 1001 }, (_, index) => `${index}`)),
    ),
  ),
};

const wrongCustomFields = fc.oneof(
  faulty("customFields", fc.constantFrom<unknown>("x", 5, true, [], [{}], null)),
  fc
    .tuple(fc.constantFrom("size", "a b", "%s", "toString"), fc.constantFrom<unknown>(1, "", []))
    .map(([key, value]) => ({ field: "customFields", value: { [key]: value } })),
  unstorable.map((value) => ({ field: "customFields", value: { size: value } })),
);

/** What is wrong in a way that one API may tell by its form, and the other by a rule. */
const wrong: Record<Entity, fc.Arbitrary<Fault>> = {
  contact: fc.oneof(
    faulty("emails", none, inList(none, email)),
    faulty("phones", none, inList(none, text(255))),
    wrongCustomFields,
  ),
  company: fc.oneof(
    faulty(
      "address",
      fc.constantFrom<unknown>("Main Street 1", 5, true, [], [{ city: "Köln" }]),
      fc.constantFrom("planet", "Street", "postal_code", "", "constructor").map((key) => ({
        city: "Köln",
        [key]: "x",
      })),
      // In GraphQL, a part that is null is not given.
      fc
        .tuple(
          fc.constantFrom("street", "city", "state", "postalCode", "country"),
          fc.oneof(notText, unstorable),
        )
        .map(([key, value]) => ({ street: "Main Street 1", [key]: value })),
    ),
    wrongCustomFields,
  ),
  deal: fc.oneof(faulty("value", none), faulty("currency", none), wrongCustomFields),
  task: faulty("status", none),
  note: faulty("content", none),
  customFieldDefinition: fc.oneof(
    faulty("required", none),
    faulty("enumValues", inList(none, text(255))),
  ),
};

/** A field of an entity with a value that it must not be created or updated with. */
export function fault(entity: Entity): fc.Arbitrary<Fault> {
  return fc.oneof(
    { weight: 3, arbitrary: malformed[entity] },
    { weight: 3, arbitrary: forbidden[entity] },
    { weight: 1, arbitrary: wrong[entity] },
  );
}

/** Faults of several fields that are all found in one go: of their form, or of what rules forbid. */
export function faults(entity: Entity): fc.Arbitrary<Fault[]> {
  return fc
    .constantFrom(malformed, forbidden)
    .chain((kind) =>
      fc.uniqueArray(kind[entity], { minLength: 1, maxLength: 4, selector: ({ field }) => field }),
    );
}

/** An input, or a patch, with some fields replaced by faulty ones. */
export function spoil(data: Data, ...faults: Fault[]): Data {
  // A literal, or an assignment, would set the prototype of the object where the key is __proto__.
  return Object.fromEntries([
    ...Object.entries(data),
    ...faults.map(({ field, value }) => [field, value] as const),
  ]);
}

/** An input that would be fine but for the faults: what is said of its type suits it. */
export function spoilt(entity: Entity, data: Data, ...found: Fault[]): Data {
  const isEnum = found.some(({ field }) => field === "enumValues");
  const type = isEnum
    ? { fieldType: "enum", enumValues: ["a", "b"] }
    : { fieldType: "text", enumValues: null };
  const rules = { minimum: null, maximum: null, maxLength: null, pattern: null };
  return spoil(
    entity === "customFieldDefinition" ? { ...data, ...type, ...rules } : data,
    ...found,
  );
}

/** What must be given when an entity is created. */
export const required: Record<Entity, readonly string[]> = {
  contact: ["firstName", "lastName"],
  company: ["name"],
  deal: ["title", "companyId", "value", "stage"],
  task: ["description", "entityType", "entityId"],
  note: ["content", "entityType", "entityId"],
  customFieldDefinition: ["name", "label", "entityType", "fieldType"],
};

/** Somebody, as a token may name them: printable, and something can be seen of it. */
export const user = fc.oneof(
  fc.stringMatching(/^[a-z]{1,8}$/),
  text(80).filter(
    (name) =>
      !hasHidden(name) &&
      !isBlank(name) &&
      /[^\s\p{M}]/u.test(name) && // a token refuses a name of combining marks alone
      !/^\s*(?:db|key):/i.test(name),
  ),
);

/** Valid inputs; deals lack their company, and tasks and notes what they are attached to. */
export const inputs: Record<Entity, fc.Arbitrary<Data>> = {
  company,
  contact,
  deal,
  task,
  note,
  customFieldDefinition,
};

/** Some of the fields of an input, at least one. */
export function some(input: fc.Arbitrary<Data>): fc.Arbitrary<Data> {
  return input.chain((data) =>
    fc
      .subarray(Object.keys(data), { minLength: 1 })
      .map((keys) => Object.fromEntries(keys.map((key) => [key, data[key]]))),
  );
}

/** An input, and a patch for what it makes: other values, or now and then the same again. */
export function change(input: fc.Arbitrary<Data>): fc.Arbitrary<{ input: Data; patch: Data }> {
  return input.chain((data) =>
    fc.record({
      input: fc.constant(data),
      patch: fc.oneof(
        { weight: 5, arbitrary: some(input) },
        { weight: 1, arbitrary: some(fc.constant(data)) },
      ),
    }),
  );
}
