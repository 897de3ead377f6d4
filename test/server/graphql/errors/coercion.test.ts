import { beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { signToken } from "../../../../server/auth/token.ts";
import { jwtSecret, useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
const createDeal = `mutation ($input: CreateDealInput!) {
  createDeal(input: $input) { deal { id value closeDate } }
}`;
const companyId = "00000000-0000-4000-8000-000000000000";
const deal = { title: "Engine", companyId, value: 1, stage: "Won" };

beforeAll(() =>
  withConnection(crm.database.ownerUrl, (client) =>
    client.query("insert into crm.companies (id, name) values ($1, 'Acme')", [companyId]),
  ),
);

/** The faulty fields that an answer names, all under VALIDATION_ERROR. */
async function faults(...request: Parameters<typeof crm.graphql>) {
  const { errors = [], data } = await crm.graphql(...request);
  expect(errors).toMatchObject([{ extensions: { code: "VALIDATION_ERROR" } }]);
  expect(Object.values(data ?? {}).filter((value) => value !== null)).toEqual([]);
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

  test.each([["1e1000"], ["1e-1000"], ["0.1234567890123456789e1"], ["1".repeat(201)]])(
    "with a number that is not written out are refused: %s",
    async (number) => {
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
    },
  );

  test("with a part that cannot be stored are not told to lack what stands beside it", async () => {
    await withConnection(crm.database.ownerUrl, (client) =>
      client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type, required)
         values ('size', 'Size', 'contact', 'number', true)`,
      ),
    );
    try {
      const customFields = { size: 5, more: "nul \0" };
      const contact = { firstName: "Ada", lastName: "Byron", customFields };
      expect(
        await faults(
          `mutation ($input: CreateContactInput!) {
            createContact(input: $input) { contact { id } }
          }`,
          { input: { contact } },
        ),
      ).toEqual({ "customFields.more": ["must not contain the character NUL"] });
    } finally {
      await withConnection(crm.database.ownerUrl, (client) =>
        client.query("delete from crm.custom_field_definitions"),
      );
    }
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
    expect(await faults(`query ($id: ID!) { deal(id: $id) { id } }`, { id: "x" })).toEqual({
      id: ["must be a UUID"],
    });
    expect(
      await faults(`query ($f: DealFilter) { deals(filter: $f) { totalCount } }`, {
        f: { value: { equalTo: "x" }, nothing: 1 },
      }),
    ).toEqual({ "value.equalTo": [expect.any(String)], nothing: [expect.any(String)] });
  });
});

describe("the message", () => {
  const message = async (...request: Parameters<typeof crm.graphql>) => {
    await faults(...request);
    return (await crm.graphql(...request)).errors?.[0]?.message;
  };
  const byFilter = "query ($f: CompanyFilter) { companies(filter: $f) { totalCount } }";

  test("names each variable and its value", async () => {
    expect(await message(createDeal, { input: { deal: { ...deal, value: "x", stage: 7 } } })).toBe(
      '$input.deal.value (given "x") must be a decimal number; beyond 15 digits, as a string; ' +
        "$input.deal.stage (given 7) must be text",
    );
    expect(await message(createDeal)).toBe("$input is required");
    expect(await message(byFilter, { f: ["x"] })).toBe('$f (given ["x"]) must be an object');
    const long = "x".repeat(200);
    expect(await message(byFilter, { f: { id: { equalTo: long } } })).toBe(
      `$f.id.equalTo (given "${"x".repeat(79)}) must be a UUID`,
    );
    expect(await message(`query ($id: ID!) { deal(id: $id) { id } }`, { id: "x" })).toBe(
      '$id (given "x") must be a UUID',
    );
    expect(await message("{ companies(filter: { id: { equalTo: 5 } }) { totalCount } }")).toBe(
      "filter.id.equalTo (given 5) must be a UUID",
    );
  });

  test("names a value of no enum once", async () => {
    expect(
      await message("query ($o: [CompanyOrderBy!]) { companies(orderBy: $o) { totalCount } }", {
        o: ["SIZE_ASC"],
      }),
    ).toBe('$o.0 "SIZE_ASC" is not a value of CompanyOrderBy');
  });

  test.each([
    ["name", "eq", "equalTo"],
    ["name", "_eq", "equalTo"],
    ["name", "equal_to", "equalTo"],
    ["name", "ne", "notEqualTo"],
    ["name", "contains", "includes"],
    ["name", "icontains", "includesInsensitive"],
    ["name", "ilike", "likeInsensitive"],
    ["createdAt", "gte", "greaterThanOrEqualTo"],
    ["version", "lt", "lessThan"],
    ["version", "graterThan", "greaterThan"],
  ])("says for %s: { %s: … } that %s may be meant", async (field, operator, meant) => {
    const fault = `is not a field that can be given here; did you mean \`${meant}\`?`;
    const f = { [field]: { [operator]: "x" } };
    expect(await faults(byFilter, { f })).toEqual({ [`${field}.${operator}`]: [fault] });
    expect(await message(byFilter, { f })).toBe(`$f.${field}.${operator} (given "x") ${fault}`);
    const literal = `{ companies(filter: { ${field}: { ${operator}: "x" } }) { totalCount } }`;
    expect(await message(literal)).toBe(`filter.${field}.${operator} (given "x") ${fault}`);
  });

  test("suggests nothing where nothing is near", async () => {
    for (const name of ["constructor", "__proto__", "colour", "q".repeat(10_000)]) {
      const f: unknown = JSON.parse(`{"name": {${JSON.stringify(name)}: 1}}`);
      expect(await faults(byFilter, { f })).toEqual({
        [`name.${name}`]: ["is not a field that can be given here"],
      });
    }
  });
});

describe("a value of no enum", () => {
  test("is named, with its place", async () => {
    const orders = `query ($orderBy: [CompanyOrderBy!]) {
      companies(orderBy: $orderBy) { totalCount }
    }`;
    expect(await faults(orders, { orderBy: ["NAME_ASC", "SIZE_ASC"] })).toEqual({
      "orderBy.1": ['"SIZE_ASC" is not a value of CompanyOrderBy'],
    });
    expect(await faults(orders, { orderBy: "SIZE_ASC" })).toEqual({
      orderBy: ['"SIZE_ASC" is not a value of CompanyOrderBy'],
    });
    expect(await faults(orders, { orderBy: [7, null, "x".repeat(100)] })).toEqual({
      "orderBy.0": ["7 is not a value of CompanyOrderBy"],
      "orderBy.1": ["is required"],
      "orderBy.2": [`"${"x".repeat(79)} is not a value of CompanyOrderBy`],
    });
    expect(await faults("{ companies(orderBy: [NAME_ASC, SIZE_ASC]) { totalCount } }")).toEqual({
      "orderBy.1": ['"SIZE_ASC" is not a value of CompanyOrderBy'],
    });
    expect(await faults("{ deals { groupedAggregates(groupBy: [SIZE]) { keys } } }")).toEqual({
      "groupBy.0": ['"SIZE" is not a value of DealGroupBy'],
    });
    expect(
      await faults(
        `mutation ($input: CreateCompaniesInput!) { createCompanies(input: $input) { created } }`,
        { input: { companies: [{ name: "Acme" }], mode: "SOME" } },
      ),
    ).toEqual({ mode: ['"SOME" is not one of ALL_OR_NOTHING, VALID_ONLY'] });
  });
});

describe("a row that cannot be read as a whole", () => {
  beforeAll(async () => {
    await crm.create("customFieldDefinition", {
      ...{ entityType: "company", name: "size", label: "Size", fieldType: "number" },
    });
  });

  const absent = "00000000-0000-4000-8000-000000000001";
  /** What is sent for each entity, and all that is wrong with it. */
  const rows: [entity: string, row: Record<string, unknown>, fields: Record<string, string[]>][] = [
    [
      "company",
      {
        address: { planet: "Mars" },
        customFields: { size: "x", colour: 1 },
        ownerId: "x".repeat(300),
      },
      {
        name: ["is required"],
        "address.planet": ["is not a field that can be given here"],
        "customFields.size": [expect.any(String) as unknown as string],
        "customFields.colour": [expect.any(String) as unknown as string],
        ownerId: ["must have at most 255 characters"],
      },
    ],
    [
      "contact",
      { lastName: " ", emails: ["ann@acme.test", "x"], companyId: "x" },
      {
        firstName: ["is required"],
        lastName: ["must not be blank"],
        "emails.1": ['"x" is not an email address'],
        companyId: ["must be a UUID"],
      },
    ],
    [
      "deal",
      { title: "", value: "1.005", currency: "XXX", companyId: absent, closeDate: "soon" },
      {
        stage: ["is required"],
        title: ["must not be blank"],
        value: [expect.any(String) as unknown as string],
        currency: [expect.any(String) as unknown as string],
        companyId: [expect.any(String) as unknown as string],
        closeDate: ["must be a date such as 2026-01-31"],
      },
    ],
    [
      "task",
      { status: "done", entityType: "deal", description: 7 },
      {
        entityId: ["is required"],
        status: ['"done" is not one of open, closed'],
        description: ["must be text"],
      },
    ],
    [
      "note",
      { content: "", entityType: "task" },
      {
        entityId: ["is required"],
        content: ["must not be blank"],
        entityType: ['"task" is not one of contact, company, deal'],
      },
    ],
    [
      "customFieldDefinition",
      { name: "1", entityType: "note", fieldType: "enum", colour: 1 },
      {
        label: ["is required"],
        name: [expect.any(String) as unknown as string],
        entityType: [expect.any(String) as unknown as string],
        enumValues: [expect.any(String) as unknown as string],
        colour: ["is not a field that can be given here"],
      },
    ],
    [
      "pipelineStage",
      { probability: 101, kind: "draw", position: "first" },
      {
        name: ["is required"],
        probability: [expect.any(String) as unknown as string],
        kind: ['"draw" is not one of open, won, lost'],
        position: ["must be a whole number below 2,147,483,648"],
      },
    ],
    [
      "exchangeRate",
      { rate: "-1", currency: "XXX" },
      {
        validFrom: ["is required"],
        rate: [expect.any(String) as unknown as string],
        currency: [expect.any(String) as unknown as string],
      },
    ],
  ];

  test.each(rows)("is told everything that is wrong with it: %s", async (entity, row, fields) => {
    const Entity = entity.charAt(0).toUpperCase() + entity.slice(1);
    const byVariable = `mutation ($input: Create${Entity}Input!) {
      create${Entity}(input: $input) { clientMutationId }
    }`;
    expect(await faults(byVariable, { input: { [entity]: row } })).toEqual(fields);

    const literal = JSON.stringify(row)
      .replaceAll(/"(\w+)":/g, "$1: ")
      .replaceAll(/(entityType|fieldType|kind|status): "(\w+)"/g, "$1: $2");
    const byLiteral = `mutation { create${Entity}(input: { ${entity}: ${literal} }) { clientMutationId } }`;
    expect(await faults(byLiteral)).toEqual(fields);

    const inPart = `mutation ($row: ${Entity}Input!) {
      ...Part
    }
    fragment Part on Mutation { create${Entity}(input: { ${entity}: $row }) { clientMutationId } }`;
    expect(await faults(inPart, { row })).toEqual(fields);
  });

  test("is not created, whatever it lacks", async () => {
    const before = await crm.graphql("{ companies { totalCount } auditLogs { totalCount } }");
    const create = `mutation ($input: CreateCompanyInput!) {
      createCompany(input: $input) { company { id } }
    }`;
    const company = { name: "Acme", colour: 1 };
    expect(await faults(create, { input: { company } })).toEqual({
      colour: ["is not a field that can be given here"],
    });
    expect(await crm.graphql("{ companies { totalCount } auditLogs { totalCount } }")).toEqual(
      before,
    );
  });

  test("has typed custom fields named as they were sent", async () => {
    const create = `mutation ($input: CreateCompanyInput!) {
      createCompany(input: $input) { company { id } }
    }`;
    for (;;) {
      const fields = await faults(create, { input: { company: { size: "1e500" } } });
      if (JSON.stringify(fields).includes("is not a field")) continue; // not served yet
      expect(fields).toEqual({ name: ["is required"], size: [expect.any(String)] });
      break;
    }
  });

  test("is told what cannot be read where the role may not create it", async () => {
    const create = `mutation ($input: CreateContactInput!) {
      createContact(input: $input) { contact { id } }
    }`;
    const input = { contact: { lastName: "" } };
    expect(await faults(create, { input }, { role: "reader" })).toEqual({
      firstName: ["is required"],
    });
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
    expect(
      await faults(`mutation {
        createCompany(input: { company: { name: "x", customFields: { a: 9007199254740993 } } }) {
          company { id }
        }
      }`),
    ).toEqual({
      "customFields.a": ["must be given in a variable, since it has so many digits"],
    });
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
