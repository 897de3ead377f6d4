import { describe, expect, test } from "@jest/globals";

import { signToken } from "../../server/token.ts";
import { jwtSecret, useTestServer } from "../helpers/server.ts";

const crm = useTestServer();
const createDeal = `mutation ($input: CreateDealInput!) {
  createDeal(input: $input) { deal { id value closeDate } }
}`;
const companyId = "00000000-0000-4000-8000-000000000000";
const deal = { title: "Engine", companyId, value: 1, stage: "Won" };

/** The faulty fields that an answer names, all under VALIDATION_ERROR. */
async function faults(...request: Parameters<typeof crm.graphql>) {
  const { errors = [], data } = await crm.graphql(...request);
  expect(errors).toMatchObject([{ extensions: { code: "VALIDATION_ERROR" } }]);
  expect(data ?? null).toBeNull();
  return errors[0]?.extensions.fields;
}

describe("variables", () => {
  test("that lack required fields are answered with each of them", async () => {
    expect(await faults(createDeal, { input: { deal: { title: "Engine" } } })).toEqual({
      companyId: ["is required"],
      value: ["is required"],
      stage: ["is required"],
    });
  });

  test("with unknown fields are refused, whatever these are called", async () => {
    for (const name of ["size", "toString", "constructor", "__proto__"]) {
      const input: unknown = JSON.parse(
        `{"deal": ${JSON.stringify(deal).replace("{", `{"${name}": 1, `)}}`,
      );
      expect(Object.entries((await faults(createDeal, { input })) ?? {})).toEqual([
        [name, ["is not a field that can be given here"]],
      ]);
    }
  });

  test("that are absent, or lack the entity itself, are named", async () => {
    expect(await faults(createDeal)).toEqual({ input: ["is required"] });
    expect(await faults(createDeal, { input: {} })).toEqual({ deal: ["is required"] });
    expect(await faults(createDeal, { input: { deal: "x" } })).toEqual({
      deal: ["must be an object"],
    });
  });

  test.each([
    ["title", 5],
    ["companyId", "x"],
    ["companyId", null],
    ["value", "NaN"],
    ["value", "0x1F"],
    ["value", "1e1000"],
    ["value", 2 ** 53],
    ["value", true],
    ["probability", 1.5],
    ["probability", "high"],
    ["closeDate", "today"],
    ["closeDate", "infinity"],
    ["closeDate", "2017-02-29"],
    ["closeDate", "99999-01-01"],
    ["createdBy", "somebody"],
    ["id", companyId],
  ])("with a wrong %s (%j) are answered with its name", async (field, value) => {
    expect(await faults(createDeal, { input: { deal: { ...deal, [field]: value } } })).toEqual({
      [field]: [expect.any(String)],
    });
  });

  test.each([["nul \0"], ["lone surrogate \ud800"]])(
    "with text that cannot be stored (%j) are refused, also deep inside custom fields",
    async (text) => {
      expect(
        await faults(createDeal, {
          input: { deal: { ...deal, title: text, customFields: { a: [text], [text]: 1 } } },
        }),
      ).toEqual({
        title: [expect.any(String)],
        "customFields.a.0": [expect.any(String)],
        customFields: [expect.any(String)],
      });
    },
  );

  test.each([
    ["1e1000"],
    ["1e-1000"],
    ["9007199254740993"],
    ["0.1234567890123456789"],
    ["9999999999999.991"],
  ])("with a number that JSON does not hold exactly are refused: %s", async (number) => {
    // JSON.stringify cannot write such a number, so the request is written by hand.
    const token = await signToken(jwtSecret, { role: "admin", user: "ann", expires: "1m" });
    const response = await fetch(`${crm.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({
        query: createDeal,
        variables: { input: { deal: { ...deal, value: "?", customFields: { a: ["?"] } } } },
      }).replaceAll(`"?"`, number),
    });
    expect(await response.json()).toMatchObject({
      errors: [
        {
          extensions: {
            fields: { value: expect.any(Array), "customFields.a.0": [expect.any(String)] },
          },
        },
      ],
    });
  });

  test("of several entities are told apart by their lists", async () => {
    expect(
      await faults(
        `mutation ($input: CreateDealWithTasksInput!) {
          createDealWithTasks(input: $input) { deal { id } }
        }`,
        {
          input: {
            deal: { ...deal, value: "x" },
            tasks: [{ description: "ok" }, { dueDate: "x" }],
          },
        },
      ),
    ).toEqual({ value: [expect.any(String)], "tasks.1.dueDate": [expect.any(String)] });
  });

  test("of their own, outside an input, are named too", async () => {
    expect(await faults(`query ($id: UUID!) { deal(id: $id) { id } }`, { id: "x" })).toEqual({
      id: ["must be a UUID"],
    });
    expect(
      await faults(`query ($f: DealFilter) { deals(filter: $f) { totalCount } }`, {
        f: { value: { equalTo: "x" }, nothing: 1 },
      }),
    ).toEqual({ "value.equalTo": [expect.any(String)], nothing: [expect.any(String)] });
  });
});

describe("literals", () => {
  test("are answered alike", async () => {
    expect(
      await faults(`mutation {
        createDeal(input: { deal: { title: 5, value: "x", closeDate: "today" } }) { deal { id } }
      }`),
    ).toEqual({
      title: [expect.any(String)],
      companyId: ["is required"],
      value: [expect.any(String)],
      stage: ["is required"],
      closeDate: [expect.any(String)],
    });
    expect(await faults(`{ deal(id: "x") { id } }`)).toEqual({ id: ["must be a UUID"] });
  });

  test("hold no JSON that would be changed", async () => {
    for (const json of ["1e1000", `"\\u0000"`]) {
      expect(
        await faults(`mutation {
          createCompany(input: { company: { name: "x", customFields: { a: ${json} } } }) {
            company { id }
          }
        }`),
      ).toEqual({ "customFields.a": [expect.any(String)] });
    }
  });

  test("hold no number in JSON that would be rounded; elsewhere their digits arrive", async () => {
    const id = await crm.create("company", { name: "Acme" });
    const { data, errors } = await crm.graphql(`mutation {
      createCompany(input: { company: { name: "x", customFields: { a: 9007199254740993 } } }) {
        company { id }
      }
    }`);
    expect(data ?? null).toBeNull();
    expect(errors).toHaveLength(1);
    expect(
      await crm.graphql(`mutation {
        createDeal(
          input: { deal: { title: "x", companyId: "${id}", value: 9999999999999.99, stage: "Won" } }
        ) { deal { value } }
      }`),
    ).toMatchObject({ data: { createDeal: { deal: { value: "9999999999999.99" } } } });
  });

  test("may be mixed with variables", async () => {
    expect(
      await faults(
        `mutation ($title: String!) {
          createDeal(input: { deal: { title: $title, value: true } }) { deal { id } }
        }`,
        { title: "Engine" },
      ),
    ).toMatchObject({ value: [expect.any(String)], companyId: ["is required"] });
  });
});

describe("numbers and dates", () => {
  test("arrive exactly as they were sent", async () => {
    const company = await crm.create("company", { name: "Acme" });
    for (const [value, closeDate] of [
      ["9999999999999.99", "2024-02-29"],
      ["0.10", "0001-01-01"],
    ] as const) {
      const input = { deal: { ...deal, companyId: company, value, closeDate } };
      expect(await crm.graphql(createDeal, { input })).toMatchObject({
        data: { createDeal: { deal: { value, closeDate } } },
      });
    }
  });
});
