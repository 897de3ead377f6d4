import { beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { untilWaiting } from "../../../helpers/database.ts";
import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

const names = (count: number, text = "Name ") =>
  Array.from({ length: count }, (_, i) => text + String(i));

beforeAll(async () => {
  await withConnection(crm.database.ownerUrl, async (client) => {
    await client.query(
      `insert into crm.contacts (first_name, last_name, emails, owner_id)
       select 'First', 'Name ' || i, array['n' || i || '@example.com'],
         case when i % 2 = 0 then 'owner ' || i end
       from generate_series(0, 2999) as i`,
    );
  });
});

async function count(filter: object): Promise<number> {
  const { data, errors } = await crm.graphql<{ contacts: { totalCount: number } }>(
    "query ($filter: ContactFilter) { contacts(filter: $filter) { totalCount } }",
    { filter },
  );
  expect(errors).toBeUndefined();
  return data?.contacts.totalCount ?? -1;
}

async function refusal(filter: object) {
  const { errors } = await crm.graphql(
    "query ($filter: ContactFilter) { contacts(filter: $filter) { totalCount } }",
    { filter },
  );
  return errors?.map(({ extensions }) => extensions);
}

describe("a list in a filter", () => {
  test.each([
    [{ lastName: { in: names(1000) } }, 1000],
    [{ lastName: { notIn: names(1000) } }, 2000],
    [{ lastName: { inInsensitive: names(1000, "nAME ") } }, 1000],
    [{ lastName: { notInInsensitive: names(1000, "nAME ") } }, 2000],
    [{ lastName: { notIn: [] } }, 3000],
    [{ lastName: { notInInsensitive: [] } }, 3000],
    // What has no value is neither in a list nor not in it.
    [{ ownerId: { notIn: ["owner 2", "owner 4"] } }, 1498],
    [{ ownerId: { notIn: [] } }, 3000],
    [{ not: { lastName: { notInInsensitive: ["NAME 1"] } } }, 1],
    [{ version: { notIn: [1] } }, 0],
    [{ id: { notIn: ["00000000-0000-4000-8000-000000000000"] } }, 3000],
  ])("finds what it should: %#", async (filter, expected) => {
    expect(await count(filter)).toBe(expected);
  });

  test.each([
    ["in", { lastName: { in: names(1001) } }],
    ["notIn", { lastName: { notIn: names(1001) } }],
    ["inInsensitive", { lastName: { inInsensitive: names(1001) } }],
    ["notInInsensitive", { lastName: { notInInsensitive: names(1001) } }],
    ["several lists", { firstName: { in: names(600) }, lastName: { notIn: names(401) } }],
    ["and, or and not", { and: [{ or: [{ not: { lastName: { in: names(1001) } } }] }] }],
    ["a relation", { company: { deals: { some: { title: { notIn: names(1001) } } } } }],
    ["overlaps", { emails: { overlaps: names(1001) } }],
    ["containedBy", { emails: { containedBy: names(1001) } }],
    ["keys", { customFields: { containsAnyKeys: names(1001) } }],
    ["JSON", { customFields: { contains: { tags: names(1001) } } }],
  ])("has at most 1,000 values: %s", async (_, filter) => {
    expect(await refusal(filter)).toEqual([
      { code: "QUERY_TOO_COMPLEX", limit: "filterValues", maximum: 1000, actual: 1001 },
    ]);
  });

  test("makes a scan cost more", async () => {
    const query = (filters: number) =>
      `query ($filter: ContactFilter) { ${Array.from(
        { length: filters },
        (_, i) => `c${i}: contacts(filter: $filter, first: ${i + 1}) { totalCount }`,
      ).join(" ")} }`;
    const filter = { lastName: { notInInsensitive: names(1000) } };
    expect(await crm.graphql(query(5), { filter })).not.toHaveProperty("errors");
    expect((await crm.graphql(query(6), { filter })).errors?.[0]?.extensions).toEqual({
      ...{ code: "QUERY_TOO_COMPLEX", limit: "scans", maximum: 15, actual: 18 },
    });
    expect(await refusal({ emails: { containedBy: names(1000) } })).toEqual([
      { code: "QUERY_TOO_COMPLEX", limit: "scans", maximum: 15, actual: 21 },
    ]);
  });
});

/** The plan of the statement that a query becomes, read while the query waits for a lock. */
async function planOf(query: string, variables: Record<string, unknown>): Promise<string> {
  return withConnection(crm.database.ownerUrl, async (client) => {
    await client.query("begin; lock table crm.companies in access exclusive mode");
    const answer = crm.graphql(query, variables);
    await untilWaiting(client);
    const { rows } = await client.query<{ text: string }>(
      `select query as text from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    );
    await client.query("rollback");
    expect(await answer).not.toHaveProperty("errors");

    // Nulls stand for the parameters, so the plan is the one for any of them.
    await client.query("set plan_cache_mode = force_generic_plan");
    await client.query(`prepare look as ${rows[0]?.text}`);
    const { rows: types } = await client.query<{ count: number }>(
      "select cardinality(parameter_types) as count from pg_prepared_statements where name = 'look'",
    );
    const nulls = Array.from({ length: types[0]?.count ?? 0 }, () => "null");
    const { rows: plan } = await client.query<{ "QUERY PLAN": string }>(
      `explain (verbose) execute look(${nulls.join(", ")})`,
    );
    await client.query("deallocate look");
    return plan.map((line) => line["QUERY PLAN"]).join("\n");
  });
}

test.each(["notIn", "notInInsensitive"])(
  "%s looks each row's value up in a hash of its list, however often it is asked",
  async (operator) => {
    const plan = await planOf(
      "query ($filter: CompanyFilter) { companies(filter: $filter) { totalCount } }",
      { filter: { name: { [operator]: names(1000) } } },
    );
    expect(plan).toContain("hashed SubPlan");
  },
);

describe("anyIncludesInsensitive", () => {
  beforeAll(async () => {
    await withConnection(crm.database.ownerUrl, (client) =>
      client.query(
        `insert into crm.contacts (first_name, last_name, emails, phones) values
           ('Ada', 'Parts', '{Ada.Lovelace@Analytical.Example,ada_l@xn--kln-sna.de}', '{"+49 (30) 765-4321"}'),
           ('Bob', 'Parts', '{bob100%@example.test}', '{"Tel. 0800 CALL"}');
         insert into crm.contacts (first_name, last_name, emails)
         select 'Other', 'contact', array['other' || n || '@example.org'] from generate_series(1, 5000) as n`,
      ),
    );
  });

  test.each([
    [{ emails: { anyIncludesInsensitive: "LOVELACE@ana" } }, ["Ada"]],
    [{ emails: { anyIncludesInsensitive: "köln" } }, ["Ada"]],
    [{ emails: { anyIncludesInsensitive: "_l@" } }, ["Ada"]],
    [{ emails: { anyIncludesInsensitive: "0%@EX" } }, ["Bob"]],
    // Of one address only.
    [{ emails: { anyIncludesInsensitive: "example ada" } }, []],
    [{ emails: { anyIncludesInsensitive: "\\" } }, []],
    [{ phones: { anyIncludesInsensitive: "30/7654" } }, ["Ada"]],
    [{ phones: { anyIncludesInsensitive: "call" } }, ["Bob"]],
    [{ phones: { anyIncludesInsensitive: "0800 c" } }, ["Bob"]],
    [{ phones: { anyIncludesInsensitive: "99999" } }, []],
    [{ emails: { anyIncludesInsensitive: "" } }, ["Ada", "Bob"]],
    [{ not: { emails: { anyIncludesInsensitive: "lovelace" } } }, ["Bob"]],
  ])("finds a part of an address, or digits of a number: %j", async (filter, expected) => {
    const { data, errors } = await crm.graphql<{ contacts: { nodes: { firstName: string }[] } }>(
      `query ($filter: ContactFilter!) {
        contacts(filter: { and: [{ lastName: { equalTo: "Parts" } }, $filter] }, orderBy: FIRST_NAME_ASC) {
          nodes { firstName }
        }
      }`,
      { filter },
    );
    expect(errors).toBeUndefined();
    expect(data?.contacts.nodes.map(({ firstName }) => firstName)).toEqual(expected);
  });

  test.each([
    ["emails", "lovelace@ana", "contacts_email_words"],
    ["phones", "7654321", "contacts_name_words"],
  ])("reads an index: of %s", async (column, text, index) => {
    await withConnection(crm.database.ownerUrl, (client) =>
      client.query("vacuum analyze crm.contacts"),
    );
    const plan = await planOf(
      `query ($text: String) {
        contacts(filter: { ${column}: { anyIncludesInsensitive: $text } }, first: 20) {
          nodes { id company { id } }
        }
      }`,
      { text },
    );
    expect(plan).toContain(`Bitmap Index Scan on ${index}`);
    expect(plan).not.toContain("Seq Scan on crm.contacts");
  });
});
