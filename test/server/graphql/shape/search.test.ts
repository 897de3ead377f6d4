import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";
import { tapWire, type Wire } from "../../../helpers/wire.ts";

let database: TestDatabase;
let wire: Wire;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  wire = await tapWire(database.serverUrl);
  server = await startTestServer(wire.url, { customFieldsInterval: undefined });
  const companyId = await server.create("company", { name: "Lovelace & Co" });
  const contactId = await server.create("contact", {
    firstName: "Ada",
    lastName: "Lovelace",
    companyId,
  });
  await server.create("deal", {
    title: "Engine for Lovelace",
    companyId,
    value: "1.00",
    stage: "Won",
  });
  const attached = { entityType: "contact", entityId: contactId };
  await server.create("task", { description: "Call Ms Lovelace", ...attached });
  await server.create("note", { content: "<i>Lovelace</i> & sons", ...attached });
});

afterAll(async () => {
  await server.close();
  wire.close();
  await database.drop();
});

const search = `
  query Search($query: String!, $entityTypes: [String!], $first: Int) {
    search(query: $query, entityTypes: $entityTypes, first: $first) {
      entityType
      entityId
      rank
      extract
      contact { lastName company { name } }
      company { name }
      deal { title }
      task { description contact { lastName } }
      note { content }
    }
  }`;

interface Hit {
  entityType: string;
  entityId: string;
  rank: number;
  extract: string;
  [entity: string]: unknown;
}

test("each hit has its entity as a typed object, all in one statement", async () => {
  wire.messages.length = 0;
  const { data, errors } = await server.graphql<{ search: Hit[] }>(search, { query: "lovelace" });
  expect(errors).toBeUndefined();
  expect(wire.messages.filter((type) => type === "S")).toHaveLength(1);

  const nothing = { contact: null, company: null, deal: null, task: null, note: null };
  const hits = data?.search ?? [];
  const byType = new Map(
    hits.map(({ entityType, contact, company, deal, task, note }) => [
      entityType,
      { contact, company, deal, task, note },
    ]),
  );
  expect(Object.fromEntries(byType)).toEqual({
    contact: { ...nothing, contact: { lastName: "Lovelace", company: { name: "Lovelace & Co" } } },
    company: { ...nothing, company: { name: "Lovelace & Co" } },
    deal: { ...nothing, deal: { title: "Engine for Lovelace" } },
    task: {
      ...nothing,
      task: { description: "Call Ms Lovelace", contact: { lastName: "Lovelace" } },
    },
    note: { ...nothing, note: { content: "<i>Lovelace</i> & sons" } },
  });
  const ranks = hits.map(({ rank }) => rank);
  expect(ranks).toEqual(ranks.toSorted((a, b) => b - a));
  expect(hits.at(-1)?.extract).toBe("&lt;i&gt;<mark>Lovelace</mark>&lt;/i&gt; &amp; sons");
});

test("only the entity types asked for are found, and no more than first", async () => {
  const ask = async (variables: object) => {
    const { data } = await server.graphql<{ search: Hit[] }>(search, {
      query: "lovelace",
      ...variables,
    });
    return data?.search.map(({ entityType }) => entityType);
  };
  expect((await ask({ entityTypes: ["note", "deal"] }))?.sort()).toEqual(["deal", "note"]);
  expect(await ask({ entityTypes: [] })).toEqual([]);
  expect(await ask({ first: 2 })).toHaveLength(2);
  expect(await ask({ first: 0 })).toEqual([]);
});

test.each([
  [{ query: "x".repeat(10_000) }, ["query"]],
  [{ query: "x", entityTypes: ["contact", "user"] }, ["entityTypes"]],
  [{ query: "x", first: -1 }, ["first"]],
  [{ query: "a\0b" }, ["query"]],
  [{ query: "x".repeat(1001), entityTypes: ["contacts"] }, ["query", "entityTypes"]],
])("a wrong argument is refused with its field (%#)", async (variables, fields) => {
  const { errors } = await server.graphql(search, variables);
  expect(errors).toMatchObject([{ extensions: { code: "VALIDATION_ERROR" } }]);
  expect(Object.keys(errors?.[0]?.extensions.fields ?? {}).sort()).toEqual(fields.sort());
});

test("a search counts as many rows as it may find", async () => {
  const { errors } = await server.graphql(search, { query: "x", first: 1001 });
  expect(errors).toMatchObject([
    { extensions: { code: "QUERY_TOO_COMPLEX", limit: "pageSize", actual: 1001 } },
  ]);
});

test("a row that a mutation wrote is found by the next request", async () => {
  await server.create("company", { name: "Zuse KG" });
  const { data } = await server.graphql<{ search: Hit[] }>(search, { query: "zuse" });
  expect(data?.search).toMatchObject([{ entityType: "company", company: { name: "Zuse KG" } }]);
});

test("a reader searches", async () => {
  const { data } = await server.graphql<{ search: Hit[] }>(
    search,
    { query: "lovelace" },
    { role: "reader", user: "rita" },
  );
  expect(data?.search).toHaveLength(5);
});
