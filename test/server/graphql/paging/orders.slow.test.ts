import { beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

beforeAll(async () => {
  await withConnection(crm.database.ownerUrl, async (client) => {
    await client.query(`
      insert into crm.custom_field_definitions (entity_type, name, label, field_type, enum_values)
      values
        ('company', 'priority', 'Priority', 'enum', '{Low,Medium,High,Critical}'),
        ('company', 'regions', 'Regions', 'multi_enum', '{North,East,South,West}');

      insert into crm.companies (name, custom_fields) values
        ('Alpha', '{"priority": "High", "regions": ["West", "North"]}'),
        ('Bravo', '{"priority": "Low", "regions": ["North"]}'),
        ('Charlie', '{"priority": "Critical", "regions": ["South", "West"]}'),
        ('Delta', '{"priority": "Medium", "regions": ["East", "West"]}'),
        ('Echo', '{}');
      insert into crm.contacts (first_name, last_name, company_id)
      select first_name, last_name, (select id from crm.companies where name = company)
      from (values
        ('Zoe', 'Adams', 'Charlie'), ('Ann', 'Baker', 'Alpha'), ('Yan', 'Adams', 'Bravo'),
        ('Max', 'Zorn', null)
      ) as given (first_name, last_name, company);
      insert into crm.deals (title, value, stage, company_id, contact_id)
      select title, 1, stage, (select id from crm.companies where name = company),
        (select id from crm.contacts where first_name = contact)
      from (values
        ('one', 'Won', 'Bravo', 'Zoe'), ('two', 'Prospecting', 'Alpha', 'Yan'),
        ('three', 'Lost', 'Charlie', null), ('four', 'Proposal', 'Alpha', 'Ann'),
        ('five', 'Negotiation', 'Bravo', 'Max'), ('six', 'Qualification', 'Delta', null)
      ) as given (title, stage, company, contact);
      insert into crm.tasks (description, entity_type, entity_id, status)
      select 'of ' || name, 'company', id, 'closed' from crm.companies where name in ('Bravo', 'Echo')
      union all select 'of ' || first_name, 'contact', id, 'open'
        from crm.contacts where first_name in ('Ann', 'Max')
      union all select 'of ' || title, 'deal', id, 'open' from crm.deals where title = 'five';
      insert into crm.notes (content, entity_type, entity_id)
      select description, entity_type, entity_id from crm.tasks;
    `);
  });
  await untilServed();
});

/** Definitions are served a moment after they are made. */
async function untilServed(): Promise<void> {
  for (;;) {
    const { errors } = await crm.graphql("{ companies(orderBy: [PRIORITY_ASC]) { totalCount } }");
    if (errors === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What the rows of a list are called, asked for whole, and again two by two. */
async function names(list: string, order: string, name: string): Promise<(string | null)[]> {
  interface List {
    nodes: Record<string, string | null>[];
    pageInfo: { hasNextPage: boolean; endCursor: string };
  }
  async function page(first: number, after?: string): Promise<List> {
    const { data, errors } = await crm.graphql<{ list: List }>(
      `query ($first: Int, $after: Cursor) {
        list: ${list}(orderBy: [${order}], first: $first, after: $after) {
          nodes { ${name} }
          pageInfo { hasNextPage endCursor }
        }
      }`,
      { first, after },
    );
    if (!data || errors) throw new Error(JSON.stringify(errors));
    return data.list;
  }
  const namesOf = ({ nodes }: List) => nodes.map((node) => node[name] ?? null);
  const whole = namesOf(await page(100));
  const paged: (string | null)[] = [];
  let next = await page(2);
  paged.push(...namesOf(next));
  while (next.pageInfo.hasNextPage) {
    next = await page(2, next.pageInfo.endCursor);
    paged.push(...namesOf(next));
  }
  expect(paged).toEqual(whole);
  return whole;
}

describe("choices come in the order of their definition:", () => {
  test("a custom field of one", async () => {
    const order = ["Bravo", "Delta", "Alpha", "Charlie", "Echo"];
    expect(await names("companies", "PRIORITY_ASC", "name")).toEqual(order);
    expect(await names("companies", "PRIORITY_DESC", "name")).toEqual(order.reverse());
  });

  test("a custom field of several", async () => {
    const order = ["Bravo", "Delta", "Charlie", "Alpha", "Echo"];
    expect(await names("companies", "REGIONS_ASC", "name")).toEqual(order);
    expect(await names("companies", "REGIONS_DESC", "name")).toEqual(order.reverse());
  });

  test("at once when the definition changes", async () => {
    const change = (values: string) =>
      withConnection(crm.database.ownerUrl, (client) =>
        client.query(
          `update crm.custom_field_definitions set enum_values = '${values}' where name = 'priority'`,
        ),
      );
    await change("{Critical,High,Medium,Low}");
    expect(await names("companies", "PRIORITY_ASC", "name")).toEqual([
      "Charlie",
      "Alpha",
      "Delta",
      "Bravo",
      "Echo",
    ]);
    await change("{Low,Medium,High,Critical}");
  });

  test("stages, in that of the pipeline", async () => {
    const order = ["two", "six", "four", "five", "one", "three"];
    expect(await names("deals", "STAGE_ASC", "title")).toEqual(order);
    expect(await names("deals", "STAGE_DESC", "title")).toEqual(order.reverse());
  });

  test("stages, as administrators have put them", async () => {
    const move = (position: number) =>
      withConnection(crm.database.ownerUrl, (client) =>
        client.query(
          `update crm.pipeline_stages set position = ${position} where name = 'Prospecting'`,
        ),
      );
    await move(9);
    expect(await names("deals", "STAGE_ASC", "title")).toEqual([
      ...["six", "four", "five", "one", "three", "two"],
    ]);
    await move(0);
  });

  test("the status of tasks, the kinds of stages, the types of what tasks are about", async () => {
    const { data } = await crm.graphql<Record<string, { nodes: Record<string, string>[] }>>(`{
      tasks(orderBy: [STATUS_ASC]) { nodes { status } }
      entities: tasks(orderBy: [ENTITY_TYPE_DESC]) { nodes { entityType } }
      pipelineStages(orderBy: [KIND_DESC]) { nodes { kind } }
    }`);
    const values = (name: string) => data?.[name]?.nodes.flatMap((node) => Object.values(node));
    expect(values("tasks")).toEqual(["open", "open", "open", "closed", "closed"]);
    expect(values("entities")).toEqual(["deal", "company", "company", "contact", "contact"]);
    expect(values("pipelineStages")).toEqual(["lost", "won", "open", "open", "open", "open"]);
  });

  test("groups, too", async () => {
    const { data, errors } = await crm.graphql<Record<string, { groups: { keys: unknown[] }[] }>>(`{
      deals { groups: groupedAggregates(groupBy: [STAGE]) { keys } }
      companies { groups: groupedAggregates(groupBy: [PRIORITY]) { keys count } }
      several: companies { groups: groupedAggregates(groupBy: [REGIONS]) { keys } }
      tasks { groups: groupedAggregates(groupBy: [STATUS, ENTITY_TYPE]) { keys } }
      contacts { groups: groupedAggregates(groupBy: [LAST_NAME]) { keys } }
    }`);
    expect(errors).toBeUndefined();
    const keys = (list: string) => data?.[list]?.groups.map((group) => group.keys.join(" "));
    expect(keys("deals")).toEqual([
      "Prospecting",
      "Qualification",
      "Proposal",
      "Negotiation",
      "Won",
      "Lost",
    ]);
    expect(keys("companies")).toEqual(["Low", "Medium", "High", "Critical", ""]);
    expect(keys("several")).toEqual(["{North}", "{East,West}", "{South,West}", "{West,North}", ""]);
    expect(keys("tasks")).toEqual(["open contact", "open deal", "closed company"]);
    expect(keys("contacts")).toEqual(["Adams", "Baker", "Zorn"]);
  });
});

describe("rows can be ordered by what they belong to:", () => {
  test("contacts by the name of their company", async () => {
    const order = ["Ann", "Yan", "Zoe", "Max"];
    expect(await names("contacts", "COMPANY_NAME_ASC", "firstName")).toEqual(order);
    expect(await names("contacts", "COMPANY_NAME_DESC", "firstName")).toEqual(order.reverse());
  });

  test("deals by the name of their company", async () => {
    expect(await names("deals", "COMPANY_NAME_ASC, TITLE_ASC", "title")).toEqual([
      "four",
      "two",
      "five",
      "one",
      "three",
      "six",
    ]);
    expect(await names("deals", "COMPANY_NAME_DESC, TITLE_ASC", "title")).toEqual([
      "six",
      "three",
      "five",
      "one",
      "four",
      "two",
    ]);
  });

  test("deals by the name of their contact: by the last, then by the first", async () => {
    expect(await names("deals", "CONTACT_NAME_ASC, TITLE_ASC", "title")).toEqual([
      "two",
      "one",
      "four",
      "five",
      "six",
      "three",
    ]);
    expect(await names("deals", "CONTACT_FIRST_NAME_DESC, TITLE_DESC", "title")).toEqual([
      "three",
      "six",
      "one",
      "two",
      "five",
      "four",
    ]);
  });

  test.each([
    ["tasks", "description"],
    ["notes", "content"],
  ])("%s by the name or title of what they are about", async (list, name) => {
    const order = ["of Ann", "of Bravo", "of Echo", "of five", "of Max"];
    expect(await names(list, "ENTITY_LABEL_ASC", name)).toEqual(order);
    expect(await names(list, "ENTITY_LABEL_DESC", name)).toEqual(order.reverse());
    expect(await names(list, "DEAL_TITLE_ASC, COMPANY_NAME_DESC, CONTACT_NAME_ASC", name)).toEqual([
      "of five",
      "of Ann",
      "of Max",
      "of Echo",
      "of Bravo",
    ]);
  });

  test("the lists of a row, as well", async () => {
    const { data, errors } = await crm.graphql(`{
      companies(filter: { name: { equalTo: "Alpha" } }) {
        nodes { deals(orderBy: [CONTACT_NAME_DESC, STAGE_ASC], last: 5) { nodes { title } } }
      }
    }`);
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      companies: { nodes: [{ deals: { nodes: [{ title: "four" }, { title: "two" }] } }] },
    });
  });
});
