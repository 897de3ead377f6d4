import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
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
  query Search(
    $query: String!, $entityTypes: [EntityType!], $first: Int, $after: Cursor, $last: Int, $before: Cursor
  ) {
    search(
      query: $query, entityTypes: $entityTypes, first: $first, after: $after, last: $last, before: $before
    ) {
      pageInfo { startCursor endCursor hasNextPage }
      nodes {
        entityType
        entityId
        rank
        place
        extract
        contact { lastName company { name } }
        company { name }
        deal { title }
        task { description contact { lastName } }
        note { content }
      }
    }
  }`;

interface Hit {
  entityType: string;
  entityId: string;
  rank: number;
  extract: string;
  [entity: string]: unknown;
}

interface Hits {
  totalCount: number;
  nodes: Hit[];
  pageInfo: { startCursor: string; endCursor: string; hasNextPage: boolean };
}

test("each hit has its entity as a typed object, all in one statement", async () => {
  wire.messages.length = 0;
  const { data, errors } = await server.graphql<{ search: Hits }>(search, { query: "lovelace" });
  expect(errors).toBeUndefined();
  expect(wire.messages.filter((type) => type === "S")).toHaveLength(1);

  const nothing = { contact: null, company: null, deal: null, task: null, note: null };
  const hits = data?.search.nodes ?? [];
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

test("extracts are made only where they are selected", async () => {
  const change = async (verb: string) =>
    withConnection(database.ownerUrl, (owner) =>
      owner.query(
        `${verb} crm_reader`.replace("$", "execute on function crm_private.search_extract"),
      ),
    );
  const ask = (field: string) =>
    server.graphql<{ search: Hits }>(
      `{ search(query: "lovelace") { totalCount nodes { entityType ${field} } } }`,
    );
  await change("revoke $ from");
  const { data, errors } = await ask("rank");
  expect(errors).toBeUndefined();
  expect(data?.search.totalCount).toBe(5);
  expect(await ask("extract")).toMatchObject({ errors: [{ extensions: { code: "FORBIDDEN" } }] });
  await change("grant $ to");
  expect((await ask("extract")).errors).toBeUndefined();
});

test("only the entity types asked for are found, and no more than first", async () => {
  const ask = async (variables: object) => {
    const { data } = await server.graphql<{ search: Hits }>(search, {
      query: "lovelace",
      ...variables,
    });
    return data?.search.nodes.map(({ entityType }) => entityType);
  };
  expect((await ask({ entityTypes: ["note", "deal"] }))?.sort()).toEqual(["deal", "note"]);
  expect(await ask({ entityTypes: [] })).toEqual([]);
  expect(await ask({ first: 2 })).toHaveLength(2);
  expect(await ask({ first: 0 })).toEqual([]);
});

test.each([
  [{ query: "x".repeat(10_000) }, ["query"]],
  [{ query: "x", entityTypes: ["contact", "user"] }, ["entityTypes.1"]],
  [{ query: "x", entityTypes: ["contact", "setting"] }, ["entityTypes"]],
  [{ query: "x", first: -1 }, ["first"]],
  [{ query: "a\0b" }, ["query"]],
  [{ query: "x".repeat(1001), entityTypes: ["setting"] }, ["query", "entityTypes"]],
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
  const { data } = await server.graphql<{ search: Hits }>(search, { query: "zuse" });
  expect(data?.search.nodes).toMatchObject([
    { entityType: "company", company: { name: "Zuse KG" } },
  ]);
});

test("a reader searches", async () => {
  const { data } = await server.graphql<{ search: Hits }>(
    search,
    { query: "lovelace" },
    { role: "reader", user: "rita" },
  );
  expect(data?.search.nodes).toHaveLength(5);
});

describe("the hits", () => {
  const ask = async (variables: Record<string, unknown>) => {
    const { data, errors } = await server.graphql<{ search: Hits }>(search, variables);
    expect(errors).toBeUndefined();
    return (
      data?.search ?? {
        totalCount: 0,
        nodes: [],
        pageInfo: { startCursor: "", endCursor: "", hasNextPage: false },
      }
    );
  };
  const query = "analytical";

  beforeAll(async () => {
    for (let i = 0; i < 25; i += 1) {
      await server.create("company", { name: `Analytical ${"x".repeat(i % 7)}` });
    }
  });

  test("are paged in both directions, each once", async () => {
    const all = await ask({ query });
    expect(all.nodes.map(({ place }) => place)).toEqual(
      Array.from({ length: 25 }, (_, i) => i + 1),
    );
    expect(all.pageInfo.hasNextPage).toBe(false);

    const forwards: Hit[] = [];
    for (let after: string | null = null, isMore = true; isMore;) {
      const { nodes, pageInfo }: Hits = await ask({ query, first: 4, after });
      forwards.push(...nodes);
      ({ endCursor: after, hasNextPage: isMore } = pageInfo);
    }
    expect(forwards).toEqual(all.nodes);

    const backwards: Hit[] = [];
    for (let before: string | null = null; ;) {
      const { nodes, pageInfo }: Hits = await ask({ query, last: 4, before });
      if (nodes.length === 0) break;
      backwards.unshift(...nodes);
      before = pageInfo.startCursor;
    }
    expect(backwards).toEqual(all.nodes);
  });

  test("are counted, also without a page and beyond it", async () => {
    const { data } = await server.graphql(
      `{
        all: search(query: "analytical") { totalCount }
        page: search(query: "analytical", first: 1, offset: 3) { totalCount nodes { place } }
        none: search(query: "zzzzzzzz") { totalCount }
        deals: search(query: "analytical", entityTypes: [deal]) { totalCount }
      }`,
    );
    expect(data).toEqual({
      all: { totalCount: 25 },
      page: { totalCount: 25, nodes: [{ place: 4 }] },
      none: { totalCount: 0 },
      deals: { totalCount: 0 },
    });
  });

  test("go on after the cursor although a better one has come", async () => {
    const first = await ask({ query, first: 5 });
    const rest = await ask({ query, after: first.pageInfo.endCursor });
    const id = await server.create("company", { name: "Analytical" });
    expect((await ask({ query, first: 1 })).nodes[0]?.entityId).toBe(id);
    const later = await ask({ query, after: first.pageInfo.endCursor });
    const ids = ({ nodes }: Hits) => nodes.map(({ entityId }) => entityId);
    expect(ids(later)).toEqual(ids(rest));
  });

  test("are refused after a cursor of another search", async () => {
    const { endCursor } = (await ask({ query, first: 5 })).pageInfo;
    for (const side of ["after", "before"]) {
      const { errors } = await server.graphql(search, { query: "other", [side]: endCursor });
      expect(errors?.map(({ extensions }) => extensions)).toEqual([
        {
          code: "VALIDATION_ERROR",
          fields: { [side]: ["must be a cursor of this list, in the same order"] },
        },
      ]);
    }
  });
});
