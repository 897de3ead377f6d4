import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";

let database: TestDatabase;
let crm: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, async (client) => {
    await client.query(`
      insert into crm.companies (name, created_at)
      select 'Company ' || i, timestamptz '2026-01-01' + i * interval '1 day'
      from generate_series(1, 3) as i;

      insert into crm.contacts (first_name, last_name, emails, phones, company_id, created_at)
      select
        case when i % 2 = 0 then 'Jonathan' else 'Maria' end,
        case when i % 3 = 0 then 'Smith' else 'Smithson ' || i end,
        array['person' || i || '@example.com'],
        array['+49 30 55' || lpad(i::text, 5, '0')],
        (select id from crm.companies where name = 'Company ' || 1 + i % 3),
        timestamptz '2026-01-01' + (i / 10) * interval '1 hour'
      from generate_series(1, 60) as i;

      insert into crm.contacts (first_name, last_name) values ('Ada', 'Lovelace');
      insert into crm.deals (title, company_id, value, stage)
      select 'Smith machine ' || i, id, i, 'Prospecting'
      from generate_series(1, 3) as i, crm.companies where name = 'Company 1';
      insert into crm.tasks (description, entity_type, entity_id)
      select 'Call Smith', 'company', id from crm.companies;
      insert into crm.notes (content, entity_type, entity_id)
      select 'Met Smith', 'company', id from crm.companies;`);
  });
  crm = await startTestServer(database.serverUrl, { customFieldsInterval: undefined });
}, 60_000);

afterAll(async () => {
  await crm.close();
  await database.drop();
});

async function ask<Data>(query: string, variables: Record<string, unknown> = {}): Promise<Data> {
  const { data, errors } = await crm.graphql<Data>(query, variables);
  expect(errors).toBeUndefined();
  return data as Data;
}

interface Page {
  totalCount: number;
  nodes: { id: string; lastName: string }[];
  pageInfo: { endCursor: string; startCursor: string; hasNextPage: boolean };
}

const page = `totalCount nodes { id lastName } pageInfo { startCursor endCursor hasNextPage }`;
const contacts = async (args: string, variables: Record<string, unknown> = {}) =>
  (
    await ask<{ contacts: Page }>(
      `query ($search: String, $after: Cursor, $before: Cursor, $filter: ContactFilter) {
        contacts(search: $search, filter: $filter, after: $after, before: $before, ${args}) { ${page} }
      }`,
      variables,
    )
  ).contacts;

test("a list that is searched has the rows of a search for its type, in the same order", async () => {
  for (const query of ["smith", "jonathan smith", "jonahtan", "5500012", "smith -maria", "s"]) {
    const { search } = await ask<{ search: { nodes: { entityId: string }[] } }>(
      "query ($query: String!) { search(query: $query, entityTypes: [contact]) { nodes { entityId } } }",
      { query },
    );
    const { nodes, totalCount } = await contacts("first: 100", { search: query });
    expect(nodes.map(({ id }) => id)).toEqual(search.nodes.map(({ entityId }) => entityId));
    expect({ query, found: nodes.length > 0 }).toEqual({ query, found: true });
    expect(totalCount).toBe(nodes.length);
  }
});

test.each([
  ["companies", "company"],
  ["deals", "smith"],
  ["tasks", "smith"],
  ["notes", "smith"],
])("%s can be searched", async (list, search) => {
  const data = await ask<Record<string, { totalCount: number; nodes: unknown[] }>>(
    `query ($search: String) { ${list}(search: $search) { totalCount nodes { id } } }`,
    { search },
  );
  expect(data[list]).toMatchObject({ totalCount: 3 });
  expect(data[list]?.nodes).toHaveLength(3);
});

test.each([
  "",
  "orderBy: RELEVANCE",
  "orderBy: LAST_NAME_DESC",
  "orderBy: [CREATED_AT_ASC, RELEVANCE]",
])("a search is paged in both directions: %s", async (orderBy) => {
  const search = "smith";
  const all = (await contacts(`first: 100 ${orderBy}`, { search })).nodes;
  const forwards: unknown[] = [];
  for (let after: string | null = null, isMore = true; isMore;) {
    const { nodes, pageInfo }: Page = await contacts(`first: 7 ${orderBy}`, { search, after });
    forwards.push(...nodes);
    ({ endCursor: after, hasNextPage: isMore } = pageInfo);
  }
  expect(forwards).toEqual(all);
  const backwards: unknown[] = [];
  for (let before: string | null = null; ;) {
    const { nodes, pageInfo }: Page = await contacts(`last: 7 ${orderBy}`, { search, before });
    if (nodes.length === 0) break;
    backwards.unshift(...nodes);
    before = pageInfo.startCursor;
  }
  expect(backwards).toEqual(all);
  const { nodes } = await contacts(`first: 5 offset: 10 ${orderBy}`, { search });
  expect(nodes).toEqual(all.slice(10, 15));
});

test("a search is filtered, counted and aggregated", async () => {
  const data = await ask<{ contacts: unknown }>(
    `{ contacts(search: "smith", filter: { firstName: { equalTo: "Maria" } }, first: 1) {
      totalCount
      nodes { firstName lastName }
      groupedAggregates(groupBy: FIRST_NAME) { keys distinctCount { lastName } }
    } }`,
  );
  expect(data.contacts).toEqual({
    totalCount: 30,
    nodes: [{ firstName: "Maria", lastName: "Smith" }],
    groupedAggregates: [{ keys: ["Maria"], distinctCount: { lastName: "21" } }],
  });
});

test("the lists of a row can be searched", async () => {
  const { companies } = await ask<{
    companies: { nodes: { name: string; contacts: Page; deals: Page }[] };
  }>(
    `{ companies(orderBy: NAME_ASC) { nodes {
      name
      contacts(search: "jonathan smith", first: 2) { totalCount nodes { lastName } }
      deals(search: "machine") { totalCount }
    } } }`,
  );
  expect(companies.nodes).toEqual([
    {
      name: "Company 1",
      contacts: { totalCount: 10, nodes: [{ lastName: "Smith" }, { lastName: "Smith" }] },
      deals: { totalCount: 3 },
    },
    ...["Company 2", "Company 3"].map((name) => ({
      name,
      contacts: { totalCount: 10, nodes: [expect.anything(), expect.anything()] as unknown[] },
      deals: { totalCount: 0 },
    })),
  ]);
});

test("without a search, RELEVANCE is no order", async () => {
  const list = (args: string) => `contacts(${args}) { nodes { id } }`;
  const { data, errors } = await crm.graphql<Record<string, unknown>>(`{
    a: ${list("orderBy: RELEVANCE")}
    b: ${list('search: " ", orderBy: [RELEVANCE]')}
    c: ${list("offset: 0")}
    d: ${list('search: "", orderBy: [RELEVANCE, LAST_NAME_ASC]')}
    e: ${list("orderBy: LAST_NAME_ASC")}
  }`);
  expect(errors).toBeUndefined();
  expect([data?.a, data?.b]).toEqual([data?.c, data?.c]);
  expect(data?.d).toEqual(data?.e);
});

test("a blank search is none, and one without words finds nothing", async () => {
  const { totalCount } = await contacts("first: 1");
  expect(totalCount).toBe(61);
  for (const search of [null, "", " \t\n"]) {
    expect((await contacts("first: 1", { search })).totalCount).toBe(61);
  }
  expect((await contacts("first: 1", { search: "!?" })).totalCount).toBe(0);
});

describe("is refused:", () => {
  const refusal = async (args: string) =>
    (await crm.graphql(`{ contacts(${args}) { nodes { id } } }`)).errors?.map(
      ({ extensions }) => extensions,
    );

  test("a search of more than 1,000 characters", async () => {
    expect(await refusal(`search: "${"a".repeat(1001)}"`)).toEqual([
      {
        code: "VALIDATION_ERROR",
        constraint: "search_query_length",
        fields: { search: ["must have at most 1,000 characters"] },
      },
    ]);
  });

  test("a cursor of another search, in the order of relevance only", async () => {
    const { endCursor } = (await contacts("first: 1", { search: "smith" })).pageInfo;
    expect(await refusal(`search: "maria", after: "${endCursor}"`)).toEqual([
      {
        code: "VALIDATION_ERROR",
        fields: { after: ["must be a cursor of this list, in the same order"] },
      },
    ]);
    const order = "orderBy: ID_ASC";
    const other = (await contacts(`first: 1 ${order}`, { search: "smith" })).pageInfo;
    expect(await refusal(`search: "maria", after: "${other.endCursor}", ${order}`)).toBeUndefined();
  });
});

test("a search reads the indexes of search", async () => {
  await withConnection(database.ownerUrl, async (client) => {
    await client.query(`
      insert into crm.contacts (first_name, last_name)
      select md5(i::text), md5((i + 1)::text) from generate_series(1, 20000) as i`);
    await client.query("vacuum analyze crm.contacts");
    await client.query(`
      load 'auto_explain';
      set auto_explain.log_min_duration = 0;
      set auto_explain.log_nested_statements = on;
      set client_min_messages = log;
      set role crm_member;`);
    const plans: string[] = [];
    client.on("notice", ({ message }) => plans.push(message ?? ""));
    await client.query(
      `select contact.id
       from crm.contacts as contact
       join crm_private.search_rows('contact', 'jonathan smith') as hit on hit.entity_id = contact.id
       order by hit.rank desc limit 21`,
    );
    const text = plans.join("\n");
    expect(text).toContain("Bitmap Index Scan on contacts_search_document");
    expect(text).toMatch(/Index (Only )?Scan using contacts_pkey/);
    expect(text).not.toMatch(/Seq Scan on contacts/);
  });
});
