import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  type GraphQLObjectType,
  type IntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
} from "graphql";

import { scansOfFields } from "../../../../server/graphql/limits/cost.ts";
import { withConnection } from "../../../../server/postgres/connect.ts";
import { startTestServer, type TestServer, useTestServer } from "../../../helpers/server.ts";

const sdl = resolve(import.meta.dirname, "../../../../schema.graphql");

const crm = useTestServer();
let production: TestServer;
beforeAll(async () => {
  production = await startTestServer(crm.database.serverUrl, { production: true });
});
afterAll(() => production.close());

test("every field that has a cost of its own is there", async () => {
  const schema = buildSchema(await readFile(sdl, "utf8"));
  const missing = [...scansOfFields.keys()].filter((name) => {
    const [type = "", field = ""] = name.split(".");
    return !(field in ((schema.getType(type) as GraphQLObjectType | undefined)?.getFields() ?? {}));
  });
  expect(missing).toEqual([]);
});

/** Refuses a request within 50 ms, and says which limit it goes beyond. */
async function excess(query: string, variables?: Record<string, unknown>) {
  const { data, errors } = await crm.graphql(query, variables);
  expect(data).toBeUndefined();
  expect(errors).toHaveLength(1);
  const { code, ...rest } = errors?.[0]?.extensions ?? { code: "" };
  expect(code).toBe("QUERY_TOO_COMPLEX");
  return rest;
}

async function isAnswered(query: string, variables?: Record<string, unknown>) {
  const { data, errors } = await crm.graphql(query, variables);
  expect(errors).toBeUndefined();
  expect(data).toBeTruthy();
}

const times = (count: number, text: (index: number) => string, between = " ") =>
  Array.from({ length: count }, (_, index) => text(index)).join(between);

/** Twelve fields inside each other. */
const deep = `{ companies(first: 1) { nodes { contacts(first: 1) { nodes { deals(first: 1) { nodes {
  notes(first: 1) { nodes { deal { contact { company { id } } } } } } } } } } } }`;

const absent = "00000000-0000-4000-8000-000000000000";

describe("a document", () => {
  test.each([
    [
      "of more than 2,000 tokens",
      `{ currentUserId ${times(2000, () => "id")} }`,
      { limit: "tokens", maximum: 2000, actual: 2001 },
    ],
    [
      "of more than 50,000 characters",
      `{ currentUserId } ${" ".repeat(50_000)}`,
      { limit: "characters", maximum: 50_000, actual: 50_018 },
    ],
    [
      "of fields more than 12 deep",
      `{ company(id: "${absent}") { ${times(12, () => "a {")} id ${times(12, () => "}")} } }`,
      { limit: "depth", maximum: 12, actual: 14 },
    ],
    [
      "that is deep by its fragments",
      `{ ...f0 } ${times(13, (i) => `fragment f${i} on Query { a { ...f${i + 1} } }`)}
       fragment f13 on Query { a }`,
      { limit: "depth", maximum: 12, actual: 14 },
    ],
    [
      "with more than 30 aliases",
      `{ company(id: "${absent}") { ${times(31, (i) => `a${i}: id`)} } }`,
      { limit: "aliases", maximum: 30, actual: 31 },
    ],
    [
      "with aliases that fragments multiply",
      `{ companies { nodes { ...f ...f ...f ...f } } }
       fragment f on Company { ${times(8, (i) => `a${i}: id`)} }`,
      { limit: "aliases", maximum: 30, actual: 32 },
    ],
    [
      "whose fragments multiply a billion times",
      `{ ...f0 } ${times(40, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`)}
       fragment f40 on Query { a: currentUserId }`,
      { limit: "rootFields", maximum: 20, actual: 2 ** 40 },
    ],
    [
      "with more than 20 fields at its root",
      `{ ${times(21, () => "__typename")} }`,
      { limit: "rootFields", maximum: 20, actual: 21 },
    ],
    [
      "with more than 10 mutations",
      `mutation { ${times(11, (i) => `m${i}: deleteNote(input: { id: "${absent}" }) { clientMutationId }`)} }`,
      { limit: "mutations", maximum: 10, actual: 11 },
    ],
    [
      "with more than 20 directives",
      `{ currentUserId ${times(21, () => "@include(if: true)")} }`,
      { limit: "directives", maximum: 20, actual: 21 },
    ],
    [
      "with more than 1,000 fields",
      `{ companies { nodes { ${times(1000, () => "id")} } } }`,
      { limit: "fields", maximum: 1000, actual: 1002 },
    ],
    [
      "whose values are nested too deep to be read",
      `{ company(id: ${"[".repeat(1900)}`,
      { limit: "depth", maximum: 12, actual: 13 },
    ],
    [
      "whose fragments go round in circles",
      `{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }`,
      { limit: "circularFragments", maximum: 0, actual: 1 },
    ],
    [
      "with a circle that nothing uses",
      `{ currentUserId } fragment a on Query { ...a }`,
      { limit: "circularFragments", maximum: 0, actual: 1 },
    ],
  ])("%s is refused", async (_, query, expected) => {
    expect(await excess(query)).toEqual(expected);
  });

  test.each([
    ["12 levels", deep],
    ["30 aliases", `{ company(id: "${absent}") { ${times(30, (i) => `a${i}: id`)} } }`],
    ["20 root fields", `{ ${times(20, () => "__typename")} }`],
    [
      "20 directives",
      `{ company(id: "${absent}") { ${times(20, () => "id @include(if: true)")} } }`,
    ],
  ])("with %s is answered", async (_, query) => {
    await isAnswered(query);
  });

  /** What costs much to read, to validate, or to tell what is wrong with it. */
  const hostile: [string, string][] = [
    ["of 10,000 tokens", `{ ${times(9998, () => "a")} }`],
    ["of fields only", `{ companies { nodes { ${times(990, () => "id")} } } }`],
    [
      "of fields that do not exist",
      `{ contacts { nodes { ${times(990, (i) => `firstNam${i}`)} } } }`,
    ],
    [
      "of fields that differ",
      `{ companies { nodes { ${times(90, (i) => `deals(first: ${i}) { totalCount }`)} } } }`,
    ],
    [
      "of arguments that do not exist",
      `{ companies(${times(600, (i) => `filtr${i}: 1`)}) { totalCount } }`,
    ],
    [
      "of values that do not exist",
      `{ companies(orderBy: [${times(1900, (i) => `NAME_AS${i}`)}]) { totalCount } }`,
    ],
    [
      "of fields of a filter that do not exist",
      `{ companies(filter: { ${times(600, (i) => `nam${i}: 1`)} }) { totalCount } }`,
    ],
    [
      "of types that do not exist",
      `query (${times(390, (i) => `$v${i}: ContactFiltr${i}`)}) { currentUserId }`,
    ],
    [
      "of variables that nothing uses",
      `query (${times(390, (i) => `$v${i}: Int`)}) { currentUserId }`,
    ],
    ["of nameless operations", times(390, () => "{ currentUserId }")],
    [
      "of fragments that overlap",
      `{ contacts { nodes { ${times(60, (i) => `...f${i}`)} } } } ${times(60, (i) => `fragment f${i} on Contact { id deals { nodes { x } } }`)}`,
    ],
    [
      "of fragments that double",
      `{ ...f0 } ${times(300, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`)}
       fragment f300 on Query { currentUserId }`,
    ],
    ["of nested lists", `{ company(id: ${"[".repeat(1900)}`],
    ["of braces", times(1900, () => "{")],
    ["of 1 MB of braces", "{".repeat(990_000)],
    ["of one long name", `{ ${"a".repeat(49_000)} }`],
  ];

  test.each(hostile)("%s is refused in few words", async (_, query) => {
    for (const server of [crm, production]) {
      const { data, errors = [] } = await server.graphql(query);
      expect(data).toBeUndefined();
      expect(errors.length).toBeGreaterThan(0);
      expect(errors.length).toBeLessThanOrEqual(21);
      for (const { extensions } of errors) {
        expect(extensions.code).toMatch(/^(QUERY_TOO_COMPLEX|GRAPHQL_\w+|VALIDATION_ERROR)$/);
      }
      expect(JSON.stringify(errors).length).toBeLessThan(100_000);
    }
  });
});

describe("the values of variables", () => {
  const query = "query ($filter: CompanyFilter) { companies(filter: $filter) { totalCount } }";
  const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));

  test("are refused where they are nested too deep, also one that nothing uses", async () => {
    const expected = { limit: "variableDepth", maximum: 50, actual: 51 };
    for (const levels of [52, 5000, 400_000]) {
      // As text: to write it as JSON is too deep for this side.
      const body = `{"query": ${JSON.stringify(query)}, "variables": {"other": ${"[".repeat(levels)}${"]".repeat(levels)}}}`;
      expect((await crm.send(body)).errors?.[0]?.extensions).toEqual({
        code: "QUERY_TOO_COMPLEX",
        ...expected,
      });
    }
    expect(await excess(query, { filter: { or: nested(60) } })).toEqual(expected);
    await isAnswered(query, { other: nested(51) });
  });

  test.each([
    ["filters", { or: Array.from({ length: 60_000 }, () => ({ name: {} })) }, "QUERY_TOO_COMPLEX"],
    ["nulls", { or: Array(150_000).fill(null) }, "VALIDATION_ERROR"],
    ["numbers where objects belong", { or: Array(300_000).fill(7) }, "VALIDATION_ERROR"],
    [
      "fields that do not exist",
      Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`f${i}`, 1])),
      "QUERY_TOO_COMPLEX",
    ],
    ["orders that do not exist", undefined, "VALIDATION_ERROR"],
  ])("are refused in few words where they are many %s", async (_, filter, code) => {
    const ofOrders =
      "query ($orders: [CompanyOrderBy!]) { companies { nodes { id } } contacts { totalCount } }";
    const { errors = [] } =
      filter === undefined
        ? await crm.graphql(ofOrders.replace("companies {", "companies(orderBy: $orders) {"), {
            orders: Array.from({ length: 5 }, (_, i) => `NAME_AS${i}`),
          })
        : await crm.graphql(query, { filter });
    expect(errors.map(({ extensions }) => extensions.code)).toEqual([code]);
    expect(JSON.stringify(errors).length).toBeLessThan(20_000);
  });
});

describe("a list", () => {
  test.each([
    [
      "of more than 1,000 rows",
      "{ companies(first: 1001) { nodes { id } } }",
      undefined,
      { limit: "pageSize", maximum: 1000, actual: 1001 },
    ],
    [
      "of more than 1,000 last rows, by a variable",
      "query ($n: Int) { companies(last: $n) { nodes { id } } }",
      { n: 5000 },
      { limit: "pageSize", maximum: 1000, actual: 5000 },
    ],
    [
      "of more than 1,000 rows, by a variable's default",
      "query ($n: Int = 1002) { companies(first: $n) { totalCount } }",
      undefined,
      { limit: "pageSize", maximum: 1000, actual: 1002 },
    ],
    [
      "in a list that may give 20,000 rows together",
      "{ companies(first: 201) { nodes { deals(first: 100) { nodes { id } } } } }",
      undefined,
      { limit: "rows", maximum: 20_000, actual: 20_100 },
    ],
    [
      "without sizes, three deep",
      "{ companies { nodes { deals { nodes { notes { nodes { id } } } } } } }",
      undefined,
      { limit: "rows", maximum: 20_000, actual: 40_000 },
    ],
    [
      "of edges by a variable, in a fragment",
      `query ($n: Int!) { companies(first: $n) { edges { node { ...deals } } } }
       fragment deals on Company { deals(first: $n) { nodes { id } } }`,
      { n: 150 },
      { limit: "rows", maximum: 20_000, actual: 22_500 },
    ],
    [
      "of groups in each row of a long list",
      "{ companies(first: 500) { nodes { deals { groupedAggregates(groupBy: STAGE) { count: keys sum { value } } } } } }",
      undefined,
      { limit: "rows", maximum: 20_000, actual: 50_000 },
    ],
    [
      "in a list in a list in a list in a list",
      `{ companies(first: 1) { nodes { contacts(first: 1) { nodes { deals(first: 1) { nodes {
           notes(first: 1) { nodes { id } } company { tasks(first: 1) { nodes { id } } } } } } } } } }`,
      undefined,
      undefined,
    ],
    [
      "that reads whole tables more than 15 times",
      `{ ${times(8, (i) => `c${i}: contacts(filter: { ownerId: { equalTo: "a" } }) { totalCount nodes { id } }`)} }`,
      undefined,
      { limit: "scans", maximum: 15, actual: 16 },
    ],
    [
      "that sorts whole tables",
      "{ contacts { aggregates { distinctCount { ownerId firstName lastName ...more } } } } fragment more on ContactDistinctCountAggregates { emails }",
      undefined,
      { limit: "scans", maximum: 15, actual: 17 },
    ],
    [
      "that counts many lists of many rows",
      `{ companies(first: 1000) { nodes { ${times(16, (i) => `c${i}: contacts { totalCount }`)} } } }`,
      undefined,
      { limit: "scans", maximum: 15, actual: 16 },
    ],
    [
      "that counts lists of a row",
      `query ($id: ID!) { company(id: $id) { ${times(20, (i) => `c${i}: contacts { totalCount aggregates { distinctCount { ownerId } } }`)} } }`,
      { id: "00000000-0000-4000-8000-000000000000" },
      undefined,
    ],
    [
      "that looks for duplicates of the whole table twice",
      "{ a: duplicateGroups(entityType: contact) { nodes { size } } b: duplicateGroups(entityType: contact, minScore: 0.6) { nodes { size } } }",
      undefined,
      { limit: "scans", maximum: 15, actual: 20 },
    ],
    [
      "that looks for duplicates of 61 contacts",
      "{ contacts(first: 61) { nodes { duplicates { nodes { score } } } } }",
      undefined,
      { limit: "scans", maximum: 15, actual: 16 },
    ],
    [
      "that searches 11 times",
      `{ ${times(11, (i) => `s${i}: search(query: "a${i}", first: 10) { nodes { rank } }`)} }`,
      undefined,
      { limit: "scans", maximum: 15, actual: 17 },
    ],
    [
      "with more than 5 orders",
      "query ($o: [CompanyOrderBy!]) { companies(orderBy: $o) { nodes { id } } }",
      { o: Array(6).fill("NAME_ASC") },
      { limit: "orderings", maximum: 5, actual: 6 },
    ],
    [
      "with more than 5 orders, in the document",
      `{ companies(orderBy: [${times(6, () => "NAME_ASC")}]) { nodes { id } } }`,
      undefined,
      { limit: "orderings", maximum: 5, actual: 6 },
    ],
  ])("%s", async (_, query, variables, expected) => {
    if (expected === undefined) await isAnswered(query, variables);
    else expect(await excess(query, variables)).toEqual(expected);
  });

  test("five lists inside each other are refused, even of one row each", async () => {
    const lists = ["companies", "contacts", "deals", "tasks", "history"];
    const query = lists.reduceRight(
      (inner, name) => `${name}(first: 1) { nodes { ${inner} } }`,
      "entryId",
    );
    expect(await excess(`{ ${query} }`)).toEqual({ limit: "lists", maximum: 4, actual: 5 });
  });

  test.each(["first: -1", "last: -1", "first: 1, offset: -2"])(
    "with %s is a fault of the field",
    async (args) => {
      const { errors } = await crm.graphql(`{ companies(${args}) { totalCount } }`);
      expect(errors?.[0]?.extensions).toMatchObject({
        code: "VALIDATION_ERROR",
        fields: { [/(\w+): -/.exec(args)?.[1] ?? ""]: ["must not be negative"] },
      });
    },
  );

  test("that is skipped costs nothing", async () => {
    const query = `query ($all: Boolean!) {
      companies(first: 1000) { nodes { deals(first: 1000) @include(if: $all) { nodes { id } } } }
    }`;
    await isAnswered(query, { all: false });
    expect(await excess(query, { all: true })).toMatchObject({ limit: "rows", actual: 1_000_000 });
  });

  test("of which only the count and the sums are asked costs no rows", async () => {
    await isAnswered(`{
      companies(first: 1000) { nodes { deals { totalCount aggregates { sum { value } } } } }
    }`);
  });
});

describe("a filter", () => {
  const query = "query ($filter: CompanyFilter) { companies(filter: $filter) { totalCount } }";
  const nested = (levels: number): unknown =>
    levels === 0 ? { name: { equalTo: "x" } } : { not: nested(levels - 1) };

  test("of more than 100 fields is refused; many values in one list are one", async () => {
    const many = { or: Array.from({ length: 50 }, () => ({ name: { equalTo: "x" } })) };
    expect(await excess(query, { filter: many })).toEqual({
      limit: "filterNodes",
      maximum: 100,
      actual: 101,
    });
    await isAnswered(query, { filter: { name: { in: Array(500).fill("x") } } });
  });

  test("of more than 6 levels is refused, also written in the document", async () => {
    await isAnswered(query, { filter: nested(4) });
    const expected = { limit: "filterDepth", maximum: 6, actual: 7 };
    expect(await excess(query, { filter: nested(5) })).toEqual(expected);
    const literal = JSON.stringify(nested(5)).replace(/"(\w+)":/g, "$1:");
    expect(await excess(`{ companies(filter: ${literal}) { totalCount } }`)).toEqual(expected);
  });

  test("of two thousand levels is refused, too", async () => {
    let value: unknown = "x";
    for (let i = 0; i < 2000; i += 1) value = { not: value };
    expect(await excess(query, { filter: value })).toMatchObject({ limit: "variableDepth" });
  });
});

test("a list of rows with two lists in each is answered, all of them of the usual size", async () => {
  await isAnswered(
    "{ contacts { nodes { id tasks { nodes { id } } notes { nodes { id } } } totalCount } }",
  );
});

test("a request for too many rows is told which path has most of them", async () => {
  const { errors } = await crm.graphql(
    "{ all: companies { nodes { contacts { nodes { notes { nodes { id } } } } deals { nodes { id } } } } }",
  );
  expect(errors?.[0]?.message).toContain("40000, are in all.contacts.notes");
});

describe("without first or last", () => {
  test("a list has 100 rows, and counts all", async () => {
    for (let batch = 0; batch < 11; batch += 1) {
      await isAnswered(
        `mutation { ${times(10, (i) => `m${i}: createCompany(input: { company: { name: "c${batch}-${i}" } }) { clientMutationId }`)} }`,
      );
    }
    const page = "totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage }";
    const ask = async (args: string, variables: Record<string, unknown> = {}) => {
      const { data } = await crm.graphql<{
        list: { totalCount: number; nodes: unknown[]; pageInfo: { hasNextPage: boolean } };
      }>(
        `query${args.includes("$") ? " ($n: Int, $m: Int)" : ""} { list: companies${args} { ${page} } }`,
        variables,
      );
      return { ...data?.list, nodes: data?.list.nodes.length };
    };
    const first = { totalCount: 110, nodes: 100, pageInfo: { hasNextPage: true } };
    expect(await ask("")).toMatchObject(first);
    expect(await ask("(first: $n, last: $m)", {})).toMatchObject(first);
    expect(await ask("(first: $n, last: $m)", { n: null, m: null })).toMatchObject(first);
    expect(await ask("(first: $n, last: $m)", { n: 105 })).toMatchObject({ nodes: 105 });
    expect(await ask("(first: $n, last: $m)", { m: 7 })).toMatchObject({
      nodes: 7,
      pageInfo: { hasNextPage: false, hasPreviousPage: true },
    });
    expect(await ask("(first: 108)")).toMatchObject({ nodes: 108 });
    expect(await ask("(last: 3)")).toMatchObject({
      nodes: 3,
      pageInfo: { hasNextPage: false, hasPreviousPage: true },
    });
  });

  test("the lists of a row have 100 rows, its history included", async () => {
    const id = await crm.create("company", { name: "Acme" });
    for (let batch = 0; batch < 11; batch += 1) {
      await isAnswered(
        `mutation ($id: ID!) { ${times(10, (i) => `m${i}: createContact(input: { contact: { firstName: "a", lastName: "b", companyId: $id } }) { clientMutationId }`)} }`,
        { id },
      );
      await isAnswered(
        `mutation ($id: ID!) { ${times(10, (i) => `m${i}: updateCompany(input: { id: $id, patch: { name: "${batch} ${i}" } }) { clientMutationId }`)} }`,
        { id },
      );
    }
    const { data } = await crm.graphql<{ company: Record<string, { nodes: unknown[] }> }>(
      `query ($id: ID!) {
        company(id: $id) { contacts { nodes { id } totalCount } history { nodes { entryId } } }
      }`,
      { id },
    );
    expect(data?.company.contacts).toMatchObject({ totalCount: 110 });
    expect(data?.company.contacts?.nodes).toHaveLength(100);
    expect(data?.company.history?.nodes).toHaveLength(100);
  });

  test("a list in the rows of another one has 20, and the page of a company is answered", async () => {
    const id = await crm.create("company", { name: "Detail" });
    await withConnection(crm.database.ownerUrl, (client) =>
      client.query(
        `with people as (
           insert into crm.contacts (first_name, last_name, company_id)
           select 'Ann', 'Nr. ' || n, $1::uuid from generate_series(1, 25) as n
           returning id
         ), attached as (
           insert into crm.tasks (description, entity_type, entity_id)
           select 'Task ' || n, 'contact', id from people cross join generate_series(1, 25) as n
         )
         insert into crm.deals (title, value, stage, company_id)
         select 'Deal ' || n, 1, 'Won', $1::uuid from generate_series(1, 25) as n`,
        [id],
      ),
    );
    const page = `query ($id: ID!) {
      company(id: $id) {
        name
        contacts { nodes { id tasks { totalCount nodes { id } pageInfo { hasNextPage } } notes { nodes { id } } history { nodes { entryId } } } }
        deals { edges { node { id tasks { nodes { id } } notes { nodes { id } } history { nodes { entryId } } } } }
        tasks { nodes { id } }
        notes { nodes { id } }
        history { nodes { entryId } }
        all: deals { nodes { tasks(first: 30) { nodes { id } } } }
      }
    }`;
    await isAnswered(page, { id });
    interface List {
      totalCount: number;
      nodes: { tasks: List }[];
      pageInfo: { hasNextPage: boolean };
    }
    const { data } = await crm.graphql<{
      company: { contacts: List; deals: { edges: unknown[] } };
    }>(page, { id });
    expect(data?.company.deals.edges).toHaveLength(25);
    expect(data?.company.contacts.nodes).toHaveLength(25);
    for (const { tasks } of data?.company.contacts.nodes ?? []) {
      expect(tasks).toMatchObject({ totalCount: 25, pageInfo: { hasNextPage: true } });
      expect(tasks.nodes).toHaveLength(20);
    }
    expect(await excess(page.replaceAll("notes {", "notes(first: 100) {"), { id })).toMatchObject({
      limit: "rows",
    });
  });

  test("more than 1,000 groups are refused rather than cut", async () => {
    const ask = () => crm.graphql(`{ tasks { groupedAggregates(groupBy: DESCRIPTION) { keys } } }`);
    expect((await ask()).errors).toBeUndefined();
    const id = await crm.create("company", { name: "Acme" });
    await withConnection(crm.database.ownerUrl, (client) =>
      client.query(
        `insert into crm.tasks (description, entity_type, entity_id)
         select 'task ' || n, 'company', $1 from generate_series(1, 1001) as n`,
        [id],
      ),
    );
    expect((await ask()).errors?.[0]?.extensions).toEqual({
      code: "QUERY_TOO_COMPLEX",
      limit: "groups",
      maximum: 1000,
      actual: 1001,
    });
  });
});

describe("introspection", () => {
  const options = [
    "descriptions",
    "specifiedByUrl",
    "directiveIsRepeatable",
    "schemaDescription",
    "inputValueDeprecation",
    "oneOf",
  ] as const;
  /** All and none of the options, each alone, and all but each, as GraphiQL, codegen, Apollo and Relay ask. */
  const choices = ["", ...options].flatMap((one) =>
    [true, false].map((others) =>
      Object.fromEntries(options.map((option) => [option, option === one ? !others : others])),
    ),
  );

  test("by the tools' query is answered, with whichever options, and yields the schema", async () => {
    const expected = lexicographicSortSchema(buildSchema(await readFile(sdl, "utf8")));
    for (const choice of choices) {
      const { data, errors } = await crm.graphql<IntrospectionQuery>(getIntrospectionQuery(choice));
      expect([choice, errors]).toEqual([choice, undefined]);
      if (!data || !choice.descriptions || !choice.inputValueDeprecation) continue;
      if (!choice.schemaDescription) continue;
      expect(printSchema(lexicographicSortSchema(buildClientSchema(data)))).toBe(
        printSchema(expected),
      );
    }
  });

  test("of one type with its fields, their arguments and types is answered", async () => {
    await isAnswered(`{ __type(name: "Contact") {
      name kind fields(includeDeprecated: true) {
        name description args { name type { kind name ofType { kind name ofType { name } } } }
        type { kind name ofType { kind name ofType { kind name ofType { name } } } }
      }
    } }`);
  });

  test("in production is answered where it is switched on, and never without a token", async () => {
    const server = await startTestServer(crm.database.serverUrl, {
      production: true,
      introspection: true,
      graphiql: true,
    });
    const query = getIntrospectionQuery();
    expect((await server.graphql(query)).data).toBeTruthy();
    expect((await server.graphql("{ companie { id } }")).errors?.[0]?.message).toMatch(/Did you/);
    for (const asked of [query, "{ companie { id } }", "{ __typename }"]) {
      const response = await fetch(`${server.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query: asked }),
      });
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({
        errors: [
          {
            message: expect.any(String),
            extensions: { code: "UNAUTHENTICATED", requestId: expect.any(String) },
          },
        ],
      });
    }
    const page = await fetch(server.url, { headers: { accept: "text/html" } });
    expect(page.status).toBe(200);
    expect(await page.text()).not.toMatch(/Bearer|eyJ|DealInput/);
    await server.close();
  });

  test("that goes round in circles is refused", async () => {
    const circle = times(4, () => "fields { type {");
    const { errors } = await crm.graphql(
      `{ __schema { types { ${circle} name ${times(8, () => "}")} } } }`,
    );
    expect(errors?.[0]?.extensions.code).toBe("GRAPHQL_VALIDATION_FAILED");
  });
});
