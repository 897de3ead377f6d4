import { describe, expect, test } from "@jest/globals";
import { getIntrospectionQuery } from "graphql";

import { withConnection } from "../../server/connect.ts";
import { useTestServer } from "../helpers/server.ts";

const crm = useTestServer();

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

  test("is refused in a moment, however it is built", async () => {
    const hostile = [
      `{ ${times(1990, () => "a")} }`,
      `{ companies { nodes { ${times(990, () => "id")} } } }`,
      `{ ...f0 } ${times(300, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`)}
       fragment f300 on Query { currentUserId }`,
      `{ company(id: ${"[".repeat(1900)}`,
      times(1900, () => "{"),
      "[".repeat(900_000),
    ];
    await crm.graphql("{ currentUserId }");
    for (const query of hostile) {
      const began = performance.now();
      await crm.graphql(query);
      expect([query.slice(0, 40), performance.now() - began < 250]).toEqual([
        query.slice(0, 40),
        true,
      ]);
    }
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
      "{ companies(first: 200) { nodes { deals(first: 100) { nodes { id } } } } }",
      undefined,
      { limit: "rows", maximum: 20_000, actual: 20_200 },
    ],
    [
      "without sizes, three deep",
      "{ companies { nodes { deals { nodes { notes { nodes { id } } } } } } }",
      undefined,
      { limit: "rows", maximum: 20_000, actual: 1_010_100 },
    ],
    [
      "of edges by a variable, in a fragment",
      `query ($n: Int!) { companies(first: $n) { edges { node { ...deals } } } }
       fragment deals on Company { deals(first: $n) { nodes { id } } }`,
      { n: 150 },
      { limit: "rows", maximum: 20_000, actual: 22_650 },
    ],
    [
      "of groups in each row of a long list",
      "{ companies(first: 500) { nodes { deals { groupedAggregates(groupBy: STAGE) { count: keys sum { value } } } } } }",
      undefined,
      { limit: "rows", maximum: 20_000, actual: 50_500 },
    ],
    [
      "in a list in a list in a list in a list",
      `{ companies(first: 1) { nodes { contacts(first: 1) { nodes { deals(first: 1) { nodes {
           notes(first: 1) { nodes { id } } company { tasks(first: 1) { nodes { id } } } } } } } } } }`,
      undefined,
      undefined,
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
      "id",
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
    expect(await excess(query, { all: true })).toMatchObject({ limit: "rows", actual: 1_001_000 });
  });

  test("of which only the count and the sums are asked costs nothing", async () => {
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
        `mutation ($id: UUID!) { ${times(10, (i) => `m${i}: createContact(input: { contact: { firstName: "a", lastName: "b", companyId: $id } }) { clientMutationId }`)} }`,
        { id },
      );
      await isAnswered(
        `mutation ($id: UUID!) { ${times(10, (i) => `m${i}: updateCompany(input: { id: $id, patch: { name: "${batch} ${i}" } }) { clientMutationId }`)} }`,
        { id },
      );
    }
    const { data } = await crm.graphql<{ company: Record<string, { nodes: unknown[] }> }>(
      `query ($id: UUID!) {
        company(id: $id) { contacts { nodes { id } totalCount } history { nodes { id } } }
      }`,
      { id },
    );
    expect(data?.company.contacts).toMatchObject({ totalCount: 110 });
    expect(data?.company.contacts?.nodes).toHaveLength(100);
    expect(data?.company.history?.nodes).toHaveLength(100);
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
  test("by the tools' usual query is answered", async () => {
    await isAnswered(getIntrospectionQuery());
    await isAnswered(
      getIntrospectionQuery({
        descriptions: true,
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        schemaDescription: true,
        inputValueDeprecation: true,
        oneOf: true,
      }),
    );
  });

  test("that goes round in circles is refused", async () => {
    const circle = times(4, () => "fields { type {");
    const { errors } = await crm.graphql(
      `{ __schema { types { ${circle} name ${times(8, () => "}")} } } }`,
    );
    expect(errors?.[0]?.extensions.code).toBe("GRAPHQL_VALIDATION_FAILED");
  });
});
