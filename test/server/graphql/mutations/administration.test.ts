import { describe, expect, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

describe("the index of a custom field", () => {
  const change = (verb: string, name: string) =>
    `mutation {
      ${verb}CustomField(input: { entityType: contact, name: "${name}" }) {
        customFieldDefinition { name index { method isValid size } }
      }
    }`;

  test("is made, read with the definition, and dropped", async () => {
    await crm.create("customFieldDefinition", {
      ...{ name: "size", label: "Size", entityType: "contact", fieldType: "number" },
    });
    const list = "{ customFieldDefinitions { nodes { name index { method scans } } } }";
    const asked = () => crm.graphql(list, {}, { role: "reader" });
    expect(await asked()).toMatchObject({
      data: { customFieldDefinitions: { nodes: [{ name: "size", index: null }] } },
    });
    expect(await crm.graphql(change("index", "size"))).toMatchObject({
      data: {
        indexCustomField: {
          customFieldDefinition: { name: "size", index: { method: "btree", isValid: true } },
        },
      },
    });
    expect(await asked()).toMatchObject({
      data: { customFieldDefinitions: { nodes: [{ index: { method: "btree", scans: "0" } }] } },
    });
    const withPrefix = `mutation {
      indexCustomField(input: { entityType: contact, name: "size", prefix: ["ownerId"] }) {
        customFieldDefinition { index { prefix } }
      }
    }`;
    expect(await crm.graphql(withPrefix)).toMatchObject({
      data: { indexCustomField: { customFieldDefinition: { index: { prefix: ["ownerId"] } } } },
    });
    expect(await crm.graphql(change("unindex", "size"))).toMatchObject({
      data: { unindexCustomField: { customFieldDefinition: { name: "size", index: null } } },
    });
  });

  test("is for administrators, and of a field that is there", async () => {
    expect(await crm.graphql(change("index", "size"), {}, { role: "member" })).toMatchObject({
      errors: [{ extensions: { code: "FORBIDDEN" } }],
    });
    expect(await crm.graphql(change("index", "nothing"))).toMatchObject({
      errors: [
        {
          extensions: {
            ...{ code: "NOT_FOUND", entityType: "customFieldDefinition", id: "nothing" },
          },
        },
      ],
    });
  });
});

test("administrators edit rates and the base currency; everyone reads and converts by them", async () => {
  await crm.create("exchangeRate", { currency: "EUR", validFrom: "2026-01-01", rate: "1.17" });
  expect(
    await crm.graphql(
      `{
        baseCurrency
        exchangeRates { nodes { currency validFrom rate createdBy } }
        inBaseCurrency(amount: "10", currency: "EUR", day: "2026-01-01")
        today: inBaseCurrency(amount: "10", currency: "EUR")
        before: inBaseCurrency(amount: "10", currency: "EUR", day: "2025-12-31")
      }`,
      {},
      { role: "reader" },
    ),
  ).toMatchObject({
    data: {
      baseCurrency: "USD",
      exchangeRates: {
        nodes: [{ currency: "EUR", validFrom: "2026-01-01", rate: "1.17", createdBy: "tester" }],
      },
      ...{ inBaseCurrency: "11.70", today: "11.70", before: null },
    },
  });

  const set = `mutation { setBaseCurrency(input: { currency: "GBP" }) { clientMutationId } }`;
  expect(await crm.graphql(set)).toMatchObject({
    errors: [
      {
        extensions: {
          code: "VALIDATION_ERROR",
          constraint: "settings_base_currency_unused",
          fields: { currency: ["cannot be changed while there are exchange rates: 1"] },
        },
      },
    ],
  });
  const create = `mutation ($input: CreateExchangeRateInput!) {
    createExchangeRate(input: $input) { exchangeRate { id } }
  }`;
  const exchangeRate = { currency: "USD", validFrom: "2026-01-01", rate: "0" };
  expect(await crm.graphql(create, { input: { exchangeRate } })).toMatchObject({
    errors: [{ extensions: { code: "VALIDATION_ERROR", fields: { rate: ["must be above 0"] } } }],
  });
  expect(
    await crm.graphql(create, { input: { exchangeRate: { ...exchangeRate, rate: "1" } } }),
  ).toMatchObject({
    errors: [{ extensions: { fields: { currency: ["is the base currency"] } } }],
  });
});
