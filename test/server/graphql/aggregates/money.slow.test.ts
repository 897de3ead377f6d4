import { beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

beforeAll(() =>
  withConnection(crm.database.ownerUrl, async (client) => {
    await client.query(`
      select crm.set_base_currency('USD'), set_config('crm.source', 'import', false);
      insert into crm.exchange_rates (currency, valid_from, rate)
      values ('EUR', '2024-01-01', 1.1), ('EUR', '2025-01-01', 1.25), ('CHF', '2026-01-01', 2);
      insert into crm.custom_field_definitions (entity_type, name, label, field_type)
      values ('deal', 'seats', 'Seats', 'number');
      insert into crm.companies (name) values ('Both'), ('Euro'), ('Franc'), ('None'), ('Dollar');
      insert into crm.deals
        (title, company_id, value, currency, stage, close_date, created_at, closed_at,
          custom_fields)
      select title, (select id from crm.companies where name = company), value, currency, stage,
        close_date, '2024-01-01', case when stage <> 'Proposal' then close_date end, '{"seats": 5}'
      from (values
        ('a', 'Both', 100.10, 'USD', 'Won', date '2024-06-01'),
        ('b', 'Both', 200.20, 'EUR', 'Won', date '2024-06-01'),
        ('c', 'Both', 300, 'EUR', 'Proposal', date '2024-06-01'),
        ('d', 'Euro', 10, 'EUR', 'Won', date '2025-06-01'),
        ('e', 'Euro', 20, 'EUR', 'Lost', null),
        ('f', 'Franc', 1000, 'CHF', 'Won', date '2024-06-01'),
        ('g', 'Dollar', 40, 'USD', 'Won', date '2024-06-01')
      ) as given (title, company, value, currency, stage, close_date)
    `);
  }),
);

const aggregates = `
  sum { value valueInBaseCurrency valueByCurrency { currency amount } }
  average { value valueInBaseCurrency valueByCurrency { currency amount } }
  min { value valueInBaseCurrency valueByCurrency { currency amount } }
  max { value valueInBaseCurrency valueByCurrency { currency amount } }`;

async function ask<Data>(query: string, variables = {}): Promise<Data> {
  const { data, errors } = await crm.graphql<Data>(query, variables);
  if (!data || errors) throw new Error(JSON.stringify(errors));
  return data;
}

const filtered = async (filter: string) =>
  (
    await ask<{ deals: { aggregates: object } }>(
      `{ deals(filter: ${filter}) { aggregates { ${aggregates} } } }`,
    )
  ).deals.aggregates;

describe("an aggregate of amounts", () => {
  test("in several currencies is null, and is told for each, and in the base currency", async () => {
    const several = await filtered(`{ title: { in: ["a", "b", "c"] } }`);
    expect(several).toEqual({
      sum: {
        value: null,
        // 100.10, 200.20 at the rate of the day it closed, 300 at today's, because it is open.
        valueInBaseCurrency: "695.32",
        valueByCurrency: [
          { currency: "EUR", amount: "500.20" },
          { currency: "USD", amount: "100.10" },
        ],
      },
      average: {
        value: null,
        valueInBaseCurrency: "231.77",
        valueByCurrency: [
          { currency: "EUR", amount: expect.stringMatching(/^250\.10*$/) as unknown },
          { currency: "USD", amount: expect.stringMatching(/^100\.10*$/) as unknown },
        ],
      },
      min: {
        value: null,
        valueInBaseCurrency: "100.10",
        valueByCurrency: [
          { currency: "EUR", amount: "200.20" },
          { currency: "USD", amount: "100.10" },
        ],
      },
      max: {
        value: null,
        valueInBaseCurrency: "375.00",
        valueByCurrency: [
          { currency: "EUR", amount: "300.00" },
          { currency: "USD", amount: "100.10" },
        ],
      },
    });
  });

  test("in one currency is what it was", async () => {
    expect(await filtered(`{ title: { in: ["d", "e"] } }`)).toMatchObject({
      sum: {
        value: "30.00",
        // 10 at the rate of the day it closed, 20 at that of its making, since when it is known to be lost.
        valueInBaseCurrency: "34.50",
        valueByCurrency: [{ currency: "EUR", amount: "30.00" }],
      },
      min: { value: "10.00" },
      max: { value: "20.00" },
    });
  });

  test("of a currency without a rate on the day is null in the base currency", async () => {
    expect(await filtered(`{ title: { in: ["a", "f"] } }`)).toMatchObject({
      sum: { value: null, valueInBaseCurrency: null, valueByCurrency: [{}, {}] },
    });
  });

  test("of no deals is zero, and nothing else", async () => {
    const nothing = { value: null, valueInBaseCurrency: null, valueByCurrency: [] };
    expect(await filtered(`{ title: { equalTo: "x" } }`)).toEqual({
      sum: { value: "0", valueInBaseCurrency: "0.00", valueByCurrency: [] },
      ...{ average: nothing, min: nothing, max: nothing },
    });
  });

  test("comes with groups, of which those by currency have one each", async () => {
    interface Groups {
      deals: { groups: { keys: string[]; sum: Record<string, unknown> }[] };
    }
    const sum = "keys sum { value valueInBaseCurrency valueByCurrency { currency amount } }";
    const { deals } = await ask<Groups>(
      `{ deals { groups: groupedAggregates(groupBy: [STAGE]) { ${sum} } } }`,
    );
    expect(deals.groups).toEqual([
      {
        keys: ["Proposal"],
        sum: {
          value: "300.00",
          valueInBaseCurrency: "375.00",
          valueByCurrency: [{ currency: "EUR", amount: "300.00" }],
        },
      },
      {
        keys: ["Won"],
        sum: {
          value: null,
          valueInBaseCurrency: null,
          valueByCurrency: [
            { currency: "CHF", amount: "1000.00" },
            { currency: "EUR", amount: "210.20" },
            { currency: "USD", amount: "140.10" },
          ],
        },
      },
      {
        keys: ["Lost"],
        sum: {
          value: "20.00",
          valueInBaseCurrency: "22.00",
          valueByCurrency: [{ currency: "EUR", amount: "20.00" }],
        },
      },
    ]);
    const { deals: both } = await ask<Groups>(
      `{ deals { groups: groupedAggregates(groupBy: [STAGE, CURRENCY]) { keys sum { value } } } }`,
    );
    expect(both.groups.map(({ keys, sum: of }) => [...keys, of.value].join(" "))).toEqual([
      "Proposal EUR 300.00",
      "Won CHF 1000.00",
      "Won EUR 210.20",
      "Won USD 140.10",
      "Lost EUR 20.00",
    ]);
  });

  test("comes with the deals of a row", async () => {
    const { companies } = await ask<{
      companies: { nodes: { name: string; deals: { aggregates: { sum: object } } }[] };
    }>(`{ companies(orderBy: NAME_ASC) { nodes { name deals { aggregates {
      sum { value valueInBaseCurrency }
    } } } } }`);
    expect(companies.nodes.map(({ name, deals }) => [name, deals.aggregates.sum])).toEqual([
      ["Both", { value: null, valueInBaseCurrency: "695.32" }],
      ["Dollar", { value: "40.00", valueInBaseCurrency: "40.00" }],
      ["Euro", { value: "30.00", valueInBaseCurrency: "34.50" }],
      ["Franc", { value: "1000.00", valueInBaseCurrency: null }],
      ["None", { value: "0", valueInBaseCurrency: "0.00" }],
    ]);
  });

  test("that is no money is added up as ever", async () => {
    for (;;) {
      const { data, errors } = await crm.graphql(
        "{ deals { aggregates { sum { seats } average { probability } max { seats } } } }",
      );
      if (errors) continue; // the field is not served yet
      expect(data).toEqual({
        deals: {
          aggregates: {
            sum: { seats: "35" },
            average: { probability: expect.any(String) },
            max: { seats: "5" },
          },
        },
      });
      break;
    }
  });
});

test("a sum in the base currency is that of the reports", async () => {
  const { deals } = await ask<{
    deals: { groups: { keys: string[]; sum: { valueInBaseCurrency: string | null } }[] };
  }>(`{
    deals(filter: { currency: { notEqualTo: "CHF" } }) {
      groups: groupedAggregates(groupBy: [STAGE]) { keys sum { valueInBaseCurrency } }
    }
  }`);
  await withConnection(crm.database.ownerUrl, async (client) => {
    const { rows } = await client.query(
      `select array[stage] as keys, json_build_object('valueInBaseCurrency', value::text) as sum
       from reporting.pipeline_in_base
       where currency = 'USD'
       order by position`,
    );
    expect(deals.groups).toEqual(rows);
  });
});

describe("orders by aggregates of amounts go by the base currency:", () => {
  const names = async (order: string) =>
    (
      await ask<{ companies: { nodes: { name: string }[] } }>(
        `{ companies(orderBy: [${order}, NAME_ASC]) { nodes { name } } }`,
      )
    ).companies.nodes.map(({ name }) => name);

  test.each([
    ["DEALS_SUM_VALUE_ASC", ["None", "Euro", "Dollar", "Both", "Franc"]],
    ["DEALS_SUM_VALUE_DESC", ["Franc", "Both", "Dollar", "Euro", "None"]],
    ["DEALS_MAX_VALUE_ASC", ["Euro", "Dollar", "Both", "Franc", "None"]],
    ["DEALS_MIN_VALUE_DESC", ["Franc", "None", "Both", "Dollar", "Euro"]],
  ])("%s", async (order, expected) => {
    expect(await names(order)).toEqual(expected);
  });
});

describe("filters on aggregates of amounts", () => {
  test("find rows whose amounts are of one currency", async () => {
    const { companies } = await ask<{ companies: { nodes: { name: string }[] } }>(`{
      companies(
        filter: { deals: { aggregates: { sum: { value: { greaterThan: "1" } } } } }
        orderBy: NAME_ASC
      ) { nodes { name } }
    }`);
    expect(companies.nodes.map(({ name }) => name)).toEqual(["Dollar", "Euro", "Franc"]);
  });

  test("find groups whose amounts are of one currency", async () => {
    const { deals } = await ask<{ deals: { groups: { keys: string[] }[] } }>(`{
      deals {
        groups: groupedAggregates(
          groupBy: [STAGE]
          having: { sum: { value: { greaterThan: "1" } } }
        ) { keys }
      }
    }`);
    expect(deals.groups.map(({ keys }) => keys)).toEqual([["Proposal"], ["Lost"]]);
  });
});
