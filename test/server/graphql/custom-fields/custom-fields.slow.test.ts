import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  buildSchema,
  findBreakingChanges,
  isEnumType,
  isInputObjectType,
  isObjectType,
} from "graphql";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { printApi } from "../../../../server/graphql/schema/sdl.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { type Answer, startTestServer, type TestServer } from "../../../helpers/server.ts";

let database: TestDatabase;
let crm: TestServer;
let acme: string;

beforeAll(async () => {
  database = await createTestDatabase();
  await define(
    ["deal", "product", "text"],
    ["deal", "engage_date", "date"],
    ["deal", "list_price", "number"],
    ["deal", "rush", "boolean"],
    ["deal", "origin", "enum", ["web", "fair"]],
    ["deal", "title", "text"],
    ["deal", "colours", "multi_enum", ["red", "green", "blue"]],
    ["company", "revenue", "number"],
    ["company", "code", "text"],
    ["contact", "product", "number"],
  );
  crm = await startTestServer(database.serverUrl);
  acme = await crm.create("company", { name: "Acme", revenue: "1100.04" });
  await crm.create("company", { name: "Bolt", revenue: 251.5 });
  await crm.create("company", { name: "Cork" });
  const deals = [
    { product: "GTX Basic", value: "550", stage: "Won", engageDate: "2016-10-20", listPrice: 550 },
    { product: "GTX Basic", value: "60.5", stage: "Won", engageDate: "2016-10-25", rush: true },
    { product: "MG Special", value: "55", stage: "Won", engageDate: "2016-11-01", origin: "fair" },
    { product: "MG Special", value: "1", stage: "Lost", customTitle: "Sir" },
    { value: "2", stage: "Lost", colours: ["red", "blue"] },
  ];
  for (const [i, deal] of deals.entries()) {
    await crm.create("deal", { title: `deal ${i}`, companyId: acme, ...deal });
  }
});
afterAll(async () => {
  await crm.close();
  await database.drop();
});

/** Defines custom fields, as entity type, name, type and values. */
async function define(...fields: [string, string, string, string[]?][]): Promise<void> {
  await withConnection(database.ownerUrl, async (client) => {
    for (const [entityType, name, type, values] of fields) {
      await client.query(
        `insert into crm.custom_field_definitions (entity_type, name, label, field_type, enum_values)
         values ($1, $2, initcap($2), $3, $4)`,
        [entityType, name, type, values],
      );
    }
  });
}

async function titles(list: string): Promise<string[]> {
  const { data, errors } = await crm.graphql<{ deals: { nodes: { title: string }[] } }>(
    `{ deals(${list}) { nodes { title } } }`,
  );
  expect(errors).toBeUndefined();
  return data?.deals.nodes.map(({ title }) => title) ?? [];
}

describe("a custom field", () => {
  test("is a field of its type", async () => {
    const { data } = await crm.graphql(`{
      deals(orderBy: TITLE_ASC, first: 2) {
        nodes { product engageDate listPrice rush origin customTitle customFields }
      }
    }`);
    expect(data).toEqual({
      deals: {
        nodes: [
          {
            product: "GTX Basic",
            engageDate: "2016-10-20",
            listPrice: "550",
            rush: null,
            origin: null,
            customTitle: null,
            customFields: { product: "GTX Basic", engage_date: "2016-10-20", list_price: 550 },
          },
          {
            product: "GTX Basic",
            engageDate: "2016-10-25",
            listPrice: null,
            rush: true,
            origin: null,
            customTitle: null,
            customFields: { product: "GTX Basic", engage_date: "2016-10-25", rush: true },
          },
        ],
      },
    });
  });

  test.each([
    [`product: { equalTo: "GTX Basic" }`, [0, 1]],
    [`product: { startsWithInsensitive: "mg" }`, [2, 3]],
    [`product: { isNull: true }`, [4]],
    [`colours: { contains: ["blue"] }`, [4]],
    [`colours: { overlaps: ["green"] }`, []],
    [`engageDate: { greaterThan: "2016-10-20" }`, [1, 2]],
    [`listPrice: { lessThanOrEqualTo: "550.00" }`, [0]],
    [`rush: { equalTo: true }`, [1]],
    [`origin: { in: ["fair", "web"] }`, [2]],
    [`customTitle: { isNull: false }`, [3]],
    [`or: [{ rush: { equalTo: true } }, { not: { product: { isNull: false } } }]`, [1, 4]],
  ])("is filtered by its type's operators: %s", async (filter, found) => {
    expect(await titles(`orderBy: TITLE_ASC, filter: { ${filter} }`)).toEqual(
      found.map((i) => `deal ${i}`),
    );
  });

  test("is filtered by through a relation", async () => {
    const { data } = await crm.graphql(`{
      companies(filter: { deals: { some: { product: { equalTo: "MG Special" } } } }) { nodes { name } }
    }`);
    expect(data).toEqual({ companies: { nodes: [{ name: "Acme" }] } });
  });

  test.each(["REVENUE_ASC", "REVENUE_DESC"])("is ordered and paged by: %s", async (order) => {
    const names: (string | undefined)[] = [];
    let after: string | null = null;
    do {
      const page: Answer<{ companies: Page }> = await crm.graphql<{ companies: Page }>(
        `query ($after: Cursor) {
          companies(orderBy: [${order}, NAME_ASC], first: 1, after: $after) {
            nodes { name }
            pageInfo { hasNextPage endCursor }
          }
        }`,
        { after },
      );
      expect(page.errors).toBeUndefined();
      const { nodes, pageInfo } = page.data?.companies ?? { nodes: [] };
      names.push(nodes[0]?.name);
      after = pageInfo?.hasNextPage ? pageInfo.endCursor : null;
    } while (after !== null);
    expect(names).toEqual(
      order === "REVENUE_ASC" ? ["Bolt", "Acme", "Cork"] : ["Cork", "Acme", "Bolt"],
    );
  });

  test("groups, and is aggregated", async () => {
    const { data, errors } = await crm.graphql(`{
      deals(filter: { stage: { equalTo: "Won" } }) {
        groupedAggregates(groupBy: PRODUCT) { keys count sum { value listPrice } }
        months: groupedAggregates(groupBy: ENGAGE_DATE_TRUNCATED_TO_MONTH) { keys count }
        aggregates {
          min { engageDate listPrice } max { engageDate } average { listPrice }
          distinctCount { product origin rush }
        }
      }
    }`);
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      deals: {
        groupedAggregates: expect.arrayContaining([
          { keys: ["GTX Basic"], count: 2, sum: { value: "610.50", listPrice: "550" } },
          { keys: ["MG Special"], count: 1, sum: { value: "55.00", listPrice: "0" } },
        ]),
        months: expect.arrayContaining([
          { keys: ["2016-10-01"], count: 2 },
          { keys: ["2016-11-01"], count: 1 },
        ]),
        aggregates: {
          min: { engageDate: "2016-10-20", listPrice: "550" },
          max: { engageDate: "2016-11-01" },
          average: { listPrice: "550" },
          distinctCount: { product: "2", origin: "1", rush: "1" },
        },
      },
    });
  });

  interface Page {
    nodes: { name: string }[];
    pageInfo?: { hasNextPage: boolean; endCursor: string };
  }
});

describe("an input with custom fields as fields", () => {
  async function update(id: string, patch: object) {
    const { data, errors } = await crm.graphql<{ updateDeal?: { deal: { customFields: object } } }>(
      `mutation ($input: UpdateDealInput!) { updateDeal(input: $input) { deal { customFields } } }`,
      { input: { id, patch } },
    );
    return data?.updateDeal?.deal.customFields ?? errors?.[0]?.extensions;
  }

  test("leaves the others as they are, removes by null, and goes with the raw object", async () => {
    const id = await crm.create("deal", {
      title: "x",
      companyId: acme,
      value: "1",
      stage: "Lost",
      product: "A",
      customFields: { origin: "web", product: "raw" },
    });
    expect(await update(id, { rush: false })).toEqual({ origin: "web", product: "A", rush: false });
    expect(await update(id, { product: null, title: "y" })).toEqual({ origin: "web", rush: false });
    expect(await update(id, { customFields: { rush: true }, product: "B" })).toEqual({
      rush: true,
      product: "B",
    });
    expect(await update(id, { customFields: { $merge: { rush: null } } })).toEqual({
      product: "B",
    });
    await crm.graphql(`mutation ($id: ID!) { deleteDeal(input: { id: $id }) { deal { id } } }`, {
      id,
    });
  });

  test("is there for a deal with its tasks, too", async () => {
    const mutation = `mutation ($deal: NewDealInput!) {
      createDealWithTasks(input: { deal: $deal, tasks: [] }) { deal { id customFields } }
    }`;
    const deal = { title: "x", companyId: acme, value: "1", stage: "Lost", listPrice: "2.50" };
    const { data, errors } = await crm.graphql<{
      createDealWithTasks: { deal: { id: string; customFields: object } };
    }>(mutation, { deal: { ...deal, customFields: { rush: true } } });
    expect(errors).toBeUndefined();
    const { id, customFields } = data?.createDealWithTasks.deal ?? { id: "" };
    expect(customFields).toEqual({ list_price: 2.5, rush: true });
    await crm.graphql(`mutation ($id: ID!) { deleteDeal(input: { id: $id }) { deal { id } } }`, {
      id,
    });
    expect(await crm.graphql(mutation, { deal: { ...deal, origin: "mail" } })).toMatchObject({
      errors: [{ extensions: { fields: { origin: ["must be one of web, fair"] } } }],
    });
  });

  test("loses no digit of a number", async () => {
    const revenue = "-123456789012345678901234567890.123456789";
    const id = await crm.create("company", { name: "Digits", revenue });
    const { data } = await crm.graphql(`query ($id: ID!) { company(id: $id) { revenue } }`, {
      id,
    });
    expect(data).toEqual({ company: { revenue } });
    const patch = { revenue: "+00.50e1" }; // which no JSON has
    await crm.graphql(
      `mutation ($input: UpdateCompanyInput!) { updateCompany(input: $input) { company { id } } }`,
      { input: { id, patch } },
    );
    const { data: again } = await crm.graphql(`query ($id: ID!) { company(id: $id) { revenue } }`, {
      id,
    });
    expect(again).toEqual({ company: { revenue: "5.0" } });
    await crm.graphql(
      `mutation ($id: ID!) { deleteCompany(input: { id: $id }) { company { id } } }`,
      { id },
    );
  });

  test("is refused with the fault of the custom field", async () => {
    const [deal] = await crm
      .graphql<{ deals: { nodes: { id: string }[] } }>(`{ deals(first: 1) { nodes { id } } }`)
      .then(({ data }) => data?.deals.nodes ?? []);
    expect(
      await update(deal?.id ?? "", { origin: "mail", product: "x".repeat(10_001) }),
    ).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: {
        origin: ["must be one of web, fair"],
        product: ["must be a text of at most 10,000 characters"],
      },
    });
    expect(
      await update(deal?.id ?? "", { customFields: { origin: "mail" }, listPrice: "1e401" }),
    ).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: {
        "customFields.origin": ["must be one of web, fair"],
        listPrice: ["must be a number of at most 400 digits"],
      },
    });
    await withConnection(database.ownerUrl, (client) =>
      client.query("update crm.custom_field_definitions set is_unique = true where name = 'code'"),
    );
    const company = { name: "Twin", code: "{customFields.x" };
    const id = await crm.create("company", company);
    const { errors } = await crm.graphql(
      `mutation ($c: CompanyInput!) { createCompany(input: { company: $c }) { company { id } } }`,
      { c: company },
    );
    expect(errors?.[0]?.extensions).toMatchObject({
      code: "CONSTRAINT_VIOLATION",
      fields: { code: ["is taken"] },
    });
    await crm.graphql(
      `mutation ($id: ID!) { deleteCompany(input: { id: $id }) { company { id } } }`,
      { id },
    );
    expect(await update(deal?.id ?? "", { engageDate: "2016-02-30" })).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { engageDate: ["must be a date such as 2026-01-31"] },
    });
  });
});

describe("a bulk mutation with custom fields as fields", () => {
  const create = `mutation ($deals: [DealCreate!]!, $mode: BulkMode) {
    createDeals(input: { deals: $deals, mode: $mode }) { faults { index fields } deals { id customFields } }
  }`;
  const deal = (fields: object) => ({
    ...{ title: "x", companyId: acme, value: "1", stage: "Lost" },
    ...fields,
  });

  test("writes them, and changes one without the others", async () => {
    const { data, errors } = await crm.graphql<{
      createDeals: { deals: { id: string; customFields: object }[] };
    }>(create, {
      deals: [
        deal({ listPrice: "1.50", customFields: { rush: true } }),
        deal({ colours: ["red"] }),
      ],
    });
    expect(errors).toBeUndefined();
    const made = data?.createDeals.deals ?? [];
    expect(made.map(({ customFields }) => customFields)).toEqual([
      { list_price: 1.5, rush: true },
      { colours: ["red"] },
    ]);
    const ids = made.map(({ id }) => ({ id }));
    expect(
      await crm.graphql(
        `mutation ($deals: [DealUpdate!]!) {
          updateDeals(input: { deals: $deals }) { deals { customFields } }
        }`,
        {
          deals: [
            { ...ids[0], listPrice: "2" },
            { ...ids[1], product: "A" },
          ],
        },
      ),
    ).toMatchObject({
      data: {
        updateDeals: {
          deals: [
            { customFields: { list_price: 2, rush: true } },
            { customFields: { colours: ["red"], product: "A" } },
          ],
        },
      },
    });
    await crm.graphql(
      `mutation ($deals: [RowToDelete!]!) { deleteDeals(input: { deals: $deals }) { deleted } }`,
      { deals: ids },
    );
  });

  test("names their faults by where they were sent, in both modes", async () => {
    const deals = [
      deal({}),
      deal({ origin: "mail", colours: ["pink"] }),
      deal({ customFields: { origin: "mail" } }),
    ];
    const origin = ["must be one of web, fair"];
    const colours = ["must be a list of one or more, none twice, of red, green, blue"];
    const { errors } = await crm.graphql(create, { deals });
    expect(errors?.[0]?.extensions).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: {
        "deals.1.origin": origin,
        "deals.1.colours": colours,
        "deals.2.customFields.origin": origin,
      },
    });
    const { data } = await crm.graphql<{
      createDeals: { faults: object; deals: { id: string }[] };
    }>(create, { deals, mode: "VALID_ONLY" });
    expect(data?.createDeals.faults).toEqual([
      { index: 1, fields: { origin, colours } },
      { index: 2, fields: { "customFields.origin": origin } },
    ]);
    await crm.graphql(`mutation ($id: ID!) { deleteDeal(input: { id: $id }) { deal { id } } }`, {
      id: data?.createDeals.deals[0]?.id,
    });
  });
});

test("every built-in name is known, so that no custom field takes one", async () => {
  const own = await createTestDatabase();
  try {
    const api = buildSchema(await printApi(own.serverUrl));
    const names = ["Contact", "Company", "Deal"].flatMap((entity) =>
      ["", "Filter", "Input", "Patch", "OrderBy", "GroupBy"].flatMap((ending) => {
        const type = api.getType(entity + ending);
        if (isEnumType(type)) {
          return type.getValues().map(({ name }) => name.replace(/_(ASC|DESC)$/, ""));
        }
        return isObjectType(type) || isInputObjectType(type) ? Object.keys(type.getFields()) : [];
      }),
    );
    await withConnection(own.ownerUrl, async (client) => {
      const { rows } = await client.query(
        "select name from unnest($1::text[]) as name where not crm_private.is_reserved_field(name)",
        [names.map((name) => name.replaceAll("_", ""))],
      );
      expect(rows).toEqual([]);
    });
  } finally {
    await own.drop();
  }
});

test("whatever custom fields are called, each is served and nothing else is lost", async () => {
  const own = await createTestDatabase();
  try {
    const before = buildSchema(await printApi(own.serverUrl));
    const names = [
      ...["id", "title", "and", "or", "not", "nodes", "natural", "primary_key", "tasks_count"],
      ...["close_date_truncated_to_month", "constructor", "toString", "hasOwnProperty", "value"],
      ...[
        "clientMutationId",
        "patch",
        "deal",
        "count",
        "keys",
        "sum",
        "A",
        "a",
        "a_",
        "x".repeat(100),
      ],
      ...["node_id", "query", "__typename".slice(2), "input", "custom_title", "customTitle"],
    ];
    await withConnection(own.ownerUrl, async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (entity_type, name, label, field_type)
         select 'deal', name, name, (array['text', 'number', 'date', 'boolean'])[ordinal % 4 + 1]
         from unnest($1::text[]) with ordinality as listed (name, ordinal)`,
        [names],
      );
      const { rows } = await client.query<{ field: string }>(
        `select crm.custom_field_definitions_field_name(d) as field
         from crm.custom_field_definitions as d`,
      );
      const after = buildSchema(await printApi(own.serverUrl));
      for (const name of ["Deal", "DealInput", "DealPatch", "DealFilter"]) {
        const type = after.getType(name);
        const fields = isObjectType(type) || isInputObjectType(type) ? type.getFields() : {};
        expect(rows.map(({ field }) => field).filter((field) => !(field in fields))).toEqual([]);
      }
      expect(findBreakingChanges(before, after)).toEqual([]);
    });
  } finally {
    await own.drop();
  }
});
