import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery } from "graphql";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { until } from "../../../helpers/process.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";

const persisted = `{ deals(orderBy: PRODUCT_ASC) { nodes { product } } }`;

let folder: string;
let database: TestDatabase;
let crm: TestServer;
let companyId: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-former-"));
  writeFileSync(join(folder, "old.graphql"), persisted);
  writeFileSync(join(folder, "gone.graphql"), "{ deals { nodes { never } } }");
  writeFileSync(join(folder, "new.graphql"), "{ deals { nodes { item } } }");
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, async (client) => {
    await client.query(
      `insert into crm.custom_field_definitions
         (entity_type, name, label, field_type, enum_values)
       values
         ('deal', 'product', 'Product', 'enum', '{big,small}'),
         ('deal', 'price', 'Price', 'number', null),
         ('deal', 'colour', 'Colour', 'multi_enum', '{red,blue}')`,
    );
    await client.query(
      "update crm.custom_field_definitions set name = 'item' where name = 'product'",
    );
    await client.query(
      "update crm.custom_field_definitions set name = 'list_amount' where name = 'price'",
    );
    await client.query("delete from crm.custom_field_definitions where name = 'colour'");
  });
  crm = await startTestServer(database.serverUrl, { persisted: { folder, only: false } });
  companyId = await crm.create("company", { name: "Acme" });
  for (const [title, product, price] of [
    ["a", "small", 1],
    ["b", "big", 2],
    ["c", null, null],
  ] as const) {
    await crm.create("deal", {
      ...{ title, companyId, value: "1", stage: "Won" },
      ...{ product, price, colour: null },
    });
  }
});
afterAll(async () => {
  await crm.close();
  await database.drop();
  rmSync(folder, { recursive: true });
});

describe("a former name of a custom field", () => {
  test("is deprecated wherever it is, and only it", async () => {
    const { data } = await crm.graphql<IntrospectionQuery>(
      getIntrospectionQuery({ inputValueDeprecation: true }),
    );
    if (!data) throw new Error("no schema");
    buildClientSchema(data);
    interface Named {
      name: string;
      isDeprecated?: boolean;
      deprecationReason?: string | null;
    }
    type Members = Partial<
      Record<"fields" | "inputFields" | "enumValues", readonly Named[] | null>
    >;
    const members = data.__schema.types.flatMap((type) => {
      const { fields, inputFields, enumValues } = type as Members;
      return [fields, inputFields, enumValues].flatMap((list) =>
        (list ?? []).map((member) => ({ type: type.name, ...member })),
      );
    });
    const old = members.filter(({ name }) => /^(product|price|colour)(_|$)/i.test(name));
    expect(old.length).toBeGreaterThan(30);
    expect(old.filter(({ isDeprecated }) => isDeprecated !== true)).toEqual([]);
    const deprecated = members.filter(({ isDeprecated }) => isDeprecated === true);
    expect(deprecated).toHaveLength(old.length);
    expect(
      new Set(deprecated.map((each) => each.deprecationReason?.replaceAll(/\d/g, "0"))),
    ).toEqual(
      new Set([
        "Renamed to item on 0000-00-00. It will be removed on 0000-00-00.",
        "Renamed to listAmount on 0000-00-00. It will be removed on 0000-00-00.",
        "Deleted on 0000-00-00. It will be removed on 0000-00-00.",
      ]),
    );
  });

  test("reads, filters, orders, groups and aggregates as the present one", async () => {
    const list = (name: string, amount: string) => `{
      deals(filter: { ${name}: { isNull: false } }, orderBy: ${name.toUpperCase()}_DESC) {
        nodes { value: ${name} amount: ${amount} }
        aggregates { sum { amount: ${amount} } }
        groupedAggregates(groupBy: ${name.toUpperCase()}) { keys sum { amount: ${amount} } }
      }
    }`;
    const { data, errors } = await crm.graphql(list("product", "price"));
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      deals: { nodes: [{ value: "small", amount: "1" }, { value: "big" }] },
    });
    expect(data).toEqual((await crm.graphql(list("item", "listAmount"))).data);
  });

  test("of a deleted field is one that no row has", async () => {
    expect(
      await crm.graphql(`{
        deals(orderBy: COLOUR_ASC) {
          nodes { colour } groupedAggregates(groupBy: COLOUR) { keys }
        }
        with: deals(filter: { colour: { isNull: false } }) { totalCount }
      }`),
    ).toMatchObject({
      data: {
        deals: {
          nodes: [{ colour: null }, { colour: null }, { colour: null }],
          groupedAggregates: [{ keys: [null] }],
        },
        with: { totalCount: 0 },
      },
    });
  });

  test("is the name of a fault if the client sent it", async () => {
    const create = (fields: string) =>
      crm.graphql(`mutation {
        createDeal(input: { deal: {
          title: "x", companyId: "${companyId}", value: "1", stage: "Won", ${fields}
        } }) { deal { item } }
      }`);
    expect((await create(`product: "huge", colour: ["red"], item: "big"`)).errors).toMatchObject([
      {
        extensions: {
          code: "VALIDATION_ERROR",
          fields: {
            product: ["is the former name of item, which is given as well"],
            colour: [expect.stringMatching(/^was deleted on /)],
          },
        },
      },
    ]);
    expect((await create(`product: "huge"`)).errors).toMatchObject([
      { extensions: { fields: { product: [expect.stringContaining("must be one of")] } } },
    ]);
    expect((await create(`customFields: { product: "big" }`)).data).toEqual({
      createDeal: { deal: { item: "big" } },
    });
  });

  test("is written in bulk", async () => {
    const deal = (more: object) => ({ title: "z", companyId, value: "1", stage: "Won", ...more });
    const { data, errors } = await crm.graphql(
      `mutation ($deals: [DealCreate!]!) {
        createDeals(input: { deals: $deals, mode: VALID_ONLY }) {
          created faults { index fields }
        }
      }`,
      { deals: [deal({ product: "big" }), deal({ product: "big", item: "big" })] },
    );
    expect({ data, errors }).toMatchObject({
      data: {
        createDeals: {
          created: 1,
          faults: [
            {
              index: 1,
              fields: { product: ["is the former name of item, which is given as well"] },
            },
          ],
        },
      },
    });
  });

  test("serves persisted operations, and the log has those that use it", async () => {
    expect(JSON.parse(JSON.stringify(await crm.send(`{"documentId": "old"}`)))).toMatchObject({
      status: 200,
      data: { deals: { nodes: expect.anything() as unknown } },
    });
    const isLogged = () =>
      crm.log.some(({ msg }) => msg === "persisted operations use deprecated names");
    await until(() => Promise.resolve(isLogged()));
    expect(crm.log).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          msg: "persisted operations use deprecated names",
          operations: [{ id: "old", message: expect.stringContaining("Renamed to item") }],
        }),
        expect.objectContaining({
          msg: "persisted operations do not fit the schema",
          operations: [{ id: "gone", message: expect.stringContaining("never") }],
        }),
      ]),
    );
  });
});
