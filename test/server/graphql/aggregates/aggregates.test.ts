import { beforeAll, describe, expect, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
let acme: string;
let bolt: string;

beforeAll(async () => {
  acme = await crm.create("company", { name: "Acme" });
  bolt = await crm.create("company", { name: "Bolt" });
  const deals = [
    { companyId: acme, value: "10.10", stage: "Won", closeDate: "2017-01-31", ownerId: "ann" },
    { companyId: acme, value: "20.20", stage: "Won", closeDate: "2017-02-01", ownerId: "bob" },
    { companyId: acme, value: "30", stage: "Lost", closeDate: "2017-03-31", ownerId: "ann" },
    { companyId: bolt, value: "0.05", stage: "Won", closeDate: "2017-04-01", currency: "EUR" },
  ];
  for (const [i, deal] of deals.entries())
    await crm.create("deal", { title: `deal ${i}`, ...deal });
});

/** The groups of the deals, as sorted pairs of keys and what was asked of them. */
async function grouped(groupBy: string, fields = "count", filter = "{}") {
  const { data, errors } = await crm.graphql<{ deals: { groups: Group[] } }>(
    `{ deals(filter: ${filter}) { groups: groupedAggregates(groupBy: [${groupBy}]) { keys ${fields} } } }`,
  );
  expect(errors).toBeUndefined();
  const groups = data?.deals.groups ?? [];
  return Object.fromEntries(
    groups
      .map(({ keys, ...rest }) => [keys.join(" "), rest] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

interface Group {
  keys: (string | null)[];
}

test("without a group, all rows are one", async () => {
  const { data, errors } = await crm.graphql(
    "{ deals { groupedAggregates(groupBy: []) { keys count } totalCount } }",
  );
  expect(errors).toBeUndefined();
  expect(data).toMatchObject({
    deals: { groupedAggregates: [{ keys: null, count: expect.any(Number) }] },
  });
});

describe("the aggregates of a list", () => {
  test("are its count, sum, average, minimum and maximum, to the cent", async () => {
    const { data } = await crm.graphql(`{
      deals(filter: { currency: { equalTo: "USD" } }) {
        aggregates {
          count
          sum { value }
          average { value }
          min { value closeDate }
          max { value closeDate }
          distinctCount { companyId }
        }
      }
    }`);
    expect(data).toEqual({
      deals: {
        aggregates: {
          count: 3,
          sum: { value: "60.30" },
          average: { value: "20.1" },
          min: { value: "10.10", closeDate: "2017-01-31" },
          max: { value: "30.00", closeDate: "2017-03-31" },
          distinctCount: { companyId: "1" },
        },
      },
    });
  });

  test("follow the filter, and are zero where nothing matches", async () => {
    const { data } = await crm.graphql(`{
      deals(filter: { stage: { equalTo: "Proposal" } }) { aggregates { count sum { value } } }
    }`);
    expect(data).toEqual({ deals: { aggregates: { count: 0, sum: { value: "0" } } } });
  });

  test("come with a relation too", async () => {
    const { data } = await crm.graphql(`{
      company(id: "${acme}") {
        deals(filter: { stage: { equalTo: "Won" } }) { aggregates { count sum { value } } }
      }
    }`);
    expect(data).toEqual({
      company: { deals: { aggregates: { count: 2, sum: { value: "30.30" } } } },
    });
  });
});

describe("groups", () => {
  test("by stage", async () => {
    expect(await grouped("STAGE", "count sum { value }")).toEqual({
      Lost: { count: 1, sum: { value: "30.00" } },
      Won: { count: 3, sum: { value: null } }, // in two currencies
    });
  });

  test("by company, of the deals that are won", async () => {
    expect(await grouped("COMPANY_ID", "sum { value }", `{ stage: { equalTo: "Won" } }`)).toEqual({
      [acme]: { sum: { value: "30.30" } },
      [bolt]: { sum: { value: "0.05" } },
    });
  });

  test("by owner, also of those that nobody owns", async () => {
    expect(await grouped("OWNER_ID")).toEqual({
      "": { count: 1 },
      ann: { count: 2 },
      bob: { count: 1 },
    });
  });

  test("by currency", async () => {
    expect(await grouped("CURRENCY")).toEqual({ EUR: { count: 1 }, USD: { count: 3 } });
  });

  test("by month, quarter and year of the close date", async () => {
    expect(await grouped("CLOSE_DATE_TRUNCATED_TO_MONTH")).toEqual({
      "2017-01-01": { count: 1 },
      "2017-02-01": { count: 1 },
      "2017-03-01": { count: 1 },
      "2017-04-01": { count: 1 },
    });
    expect(await grouped("CLOSE_DATE_TRUNCATED_TO_QUARTER")).toEqual({
      "2017-01-01": { count: 3 },
      "2017-04-01": { count: 1 },
    });
    expect(await grouped("CLOSE_DATE_TRUNCATED_TO_YEAR")).toEqual({ "2017-01-01": { count: 4 } });
  });

  test("by several keys at once", async () => {
    expect(await grouped("STAGE, CURRENCY")).toEqual({
      "Lost USD": { count: 1 },
      "Won EUR": { count: 1 },
      "Won USD": { count: 2 },
    });
  });

  test("of points in time begin in UTC", async () => {
    const [key] = Object.keys(await grouped("CREATED_AT_TRUNCATED_TO_YEAR"));
    expect(key).toMatch(/^\d{4}-01-01T00:00:00(\.0+)?\+00:00$/);
  });
});
