import { randomUUID } from "node:crypto";

import { beforeAll, describe, expect, jest, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

beforeAll(async () => {
  await crm.create("customFieldDefinition", {
    name: "industry",
    label: "Industry",
    entityType: "company",
    fieldType: "text",
  });
  const acme = await crm.create("company", {
    name: "Acme 100%",
    customFields: { industry: "tools" },
    address: { city: "Köln" },
  });
  const bolt = await crm.create("company", { name: "Bolt\\", customFields: { industry: "cars" } });
  await crm.create("company", { name: "acorn_", ownerId: "bea" });
  const ada = await crm.create("contact", {
    firstName: "Ada",
    lastName: "Lovelace",
    emails: ["ada@example.com", "ada@acme.example"],
    phones: ["+49 221 1"],
    companyId: acme,
  });
  await crm.create("contact", { firstName: "Bob", lastName: "Babbage", companyId: bolt });
  const deal = { stage: "Won", companyId: acme };
  await crm.create("deal", { ...deal, title: "small", value: 10, closeDate: "2017-03-31" });
  await crm.create("deal", {
    ...deal,
    title: "large",
    value: "1000.01",
    contactId: ada,
    closeDate: "2017-04-01",
    currency: "EUR",
  });
  await crm.create("deal", { title: "lost", value: 500, stage: "Lost", companyId: bolt });
});

async function found(list: string, name: string, args: string) {
  const answer = await crm.graphql<{ list: { nodes: { name: string }[] } }>(
    `{ list: ${list}(${args}) { nodes { name: ${name} } } }`,
  );
  if (!answer.data) throw new Error(JSON.stringify(answer.errors));
  return answer.data.list.nodes.map((node) => node.name);
}

const companies = (args: string) => found("companies", "name", args);
const contacts = (args: string) => found("contacts", "firstName", args);
const deals = (args: string) => found("deals", "title", `${args}, orderBy: TITLE_ASC`);

describe("a filter", () => {
  test.each(["like", "notLike", "likeInsensitive", "notLikeInsensitive"])(
    "%s refuses a pattern that ends with its escape, with nothing to compare, too",
    async (operator) => {
      const query = `query ($pattern: String, $none: ID) {
        companies(filter: { id: { equalTo: $none }, name: { ${operator}: $pattern } }) { totalCount }
      }`;
      const ask = (pattern: string) => crm.graphql(query, { pattern, none: randomUUID() });
      for (const pattern of ["\\", "a\\", "\\\\\\"]) {
        expect((await ask(pattern)).errors).toMatchObject([
          {
            message: "A pattern ends with its escape character",
            extensions: {
              code: "VALIDATION_ERROR",
              fields: { [`name.${operator}`]: ["must not end with a single backslash"] },
            },
          },
        ]);
      }
      for (const pattern of ["\\\\", "a\\%", "\\\\\\\\", ""]) {
        expect((await ask(pattern)).data).toEqual({ companies: { totalCount: 0 } });
      }
    },
  );

  test("compares text exactly, as a member of a list, or by a part of it", async () => {
    expect(await companies(`filter: { name: { equalTo: "acorn_" } }`)).toEqual(["acorn_"]);
    expect(await companies(`filter: { name: { in: ["acorn_", "x"] } }`)).toEqual(["acorn_"]);
    expect(
      await companies(`filter: { name: { includesInsensitive: "AC" } }, orderBy: NAME_ASC`),
    ).toHaveLength(2);
  });

  test.each([
    ["endsWith", "%", "Acme 100%"],
    ["endsWith", "_", "acorn_"],
    ["endsWith", "\\", "Bolt\\"],
    ["includes", "t\\", "Bolt\\"],
  ])("%s takes %s literally", async (operator, text, name) => {
    const filter = `{ name: { ${operator}: ${JSON.stringify(text)} } }`;
    expect(await companies(`filter: ${filter}`)).toEqual([name]);
  });

  test.each([
    [`startsWith: "Ac"`, ["Acme 100%"]],
    [`startsWith: "ac"`, ["acorn_"]],
    [`startsWith: "Acme_100"`, []],
    [`startsWith: "Bolt\\\\"`, ["Bolt\\"]],
    // The lower case of its last letter is another one at the end of a word.
    [`startsWith: "ΟΔΟΣ"`, ["ΟΔΟΣΑ"]],
    [`startsWithInsensitive: "aC"`, ["acorn_", "Acme 100%"]],
    [`startsWithInsensitive: "acorn_"`, ["acorn_"]],
    [`startsWithInsensitive: "a_me"`, []],
    [`equalToInsensitive: "ACORN_"`, ["acorn_"]],
    [`likeInsensitive: "aC_e%\\\\%"`, ["Acme 100%"]],
    [`includesInsensitive: "E 100%"`, ["Acme 100%"]],
  ])("of a label with %s finds %j", async (operator, expected) => {
    const id = await crm.create("company", { name: "ΟΔΟΣΑ" });
    const names = await companies(`filter: { name: { ${operator} } }`);
    await crm.graphql(`mutation { deleteCompany(input: { id: "${id}" }) { clientMutationId } }`);
    expect(names).toEqual(expected);
  });

  test("finds a contact by one of several email addresses or phones", async () => {
    expect(await contacts(`filter: { emails: { contains: ["ada@acme.example"] } }`)).toEqual([
      "Ada",
    ]);
    expect(await contacts(`filter: { phones: { contains: ["+49 221 1"] } }`)).toEqual(["Ada"]);
    expect(await contacts(`filter: { phones: { contains: ["+492211"] } }`)).toEqual([]);
    expect(await contacts(`filter: { phones: { overlaps: ["x", "+49 221 1"] } }`)).toEqual(["Ada"]);
  });

  test.each([
    [`emails: { containsInsensitive: ["ADA@Acme.Example"] }`, ["Ada"]],
    [`emails: { containsInsensitive: ["ADA@Acme.Example", "ada@EXAMPLE.com"] }`, ["Ada"]],
    [`emails: { containsInsensitive: ["ADA@Acme.Example", "x@example.com"] }`, []],
    [`emails: { containsInsensitive: [] }, firstName: { equalTo: "Bob" }`, ["Bob"]],
    [`emails: { anyEqualToInsensitive: "ADA@Acme.Example" }`, ["Ada"]],
    [`emails: { anyEqualToInsensitive: "ada@acme" }`, []],
    [`emails: { anyEqualToInsensitive: "INFO@xn--kln-sna.de" }`, ["Carl"]],
    [`emails: { anyEqualToInsensitive: "info@KÖLN.de" }`, ["Carl"]],
    [`not: { emails: { anyEqualToInsensitive: "info@KÖLN.de" } }`, ["Ada", "Bob"]],
    [
      `company: { contacts: { some: { emails: { containsInsensitive: ["ADA@acme.example"] } } } }`,
      ["Ada"],
    ],
    [`phones: { anyEqualToInsensitive: "0221 1234567" }`, ["Carl"]],
    [`phones: { anyEqualToInsensitive: "0049 (221) 123-4567" }`, ["Carl"]],
    [`phones: { anyEqualToInsensitive: "+49 221 1234567 ext. 12" }`, ["Carl"]],
    [`phones: { anyEqualToInsensitive: "+33 221 1234567" }`, []],
    [`phones: { anyEqualToInsensitive: "00492211" }`, ["Ada"]],
    [`phones: { containsInsensitive: ["0221 1234567", "110"] }`, ["Carl"]],
    [`phones: { containsInsensitive: ["0221 1234567", "112"] }`, []],
    [`phones: { anyEqualToInsensitive: "110" }`, ["Carl"]],
    [`phones: { anyEqualToInsensitive: "" }`, []],
  ])(
    "finds contacts by an address or a number however it is written: %s",
    async (filter, names) => {
      const carl = await crm.create("contact", {
        firstName: "Carl",
        lastName: "Cantor",
        emails: ["info@köln.de"],
        phones: ["+49 (0)221 123 4567", "110"],
      });
      try {
        expect(await contacts(`filter: { ${filter} }, orderBy: FIRST_NAME_ASC`)).toEqual(names);
      } finally {
        await crm.graphql(
          `mutation { deleteContact(input: { id: "${carl}" }) { clientMutationId } }`,
        );
      }
    },
  );

  test("finds values of any other list whatever their case", async () => {
    await crm.create("customFieldDefinition", {
      name: "size",
      label: "Size",
      entityType: "deal",
      fieldType: "enum",
      enumValues: ["Small", "GROSS"],
    });
    const list = (filter: string) =>
      found("customFieldDefinitions", "name", `filter: { enumValues: { ${filter} } }`);
    expect(await list(`containsInsensitive: ["small", "gross"]`)).toEqual(["size"]);
    expect(await list(`anyEqualToInsensitive: "SMALL"`)).toEqual(["size"]);
    expect(await list(`anyEqualToInsensitive: "smal"`)).toEqual([]);
  });

  test("finds custom fields and addresses by what they contain", async () => {
    expect(await companies(`filter: { customFields: { contains: { industry: "cars" } } }`)).toEqual(
      ["Bolt\\"],
    );
    expect(await companies(`filter: { address: { city: { equalTo: "Köln" } } }`)).toEqual([
      "Acme 100%",
    ]);
    expect(await companies(`filter: { customFields: { containsKey: "industry" } }`)).toHaveLength(
      2,
    );
  });

  test("compares numbers and dates in their order", async () => {
    expect(await deals(`filter: { value: { greaterThan: 499.99 } }`)).toEqual(["large", "lost"]);
    expect(
      await deals(
        `filter: { closeDate: { greaterThanOrEqualTo: "2017-01-01", lessThan: "2017-04-01" } }`,
      ),
    ).toEqual(["small"]);
  });

  test("follows relations in both directions", async () => {
    expect(await companies(`filter: { deals: { some: { value: { greaterThan: 999 } } } }`)).toEqual(
      ["Acme 100%"],
    );
    expect(await companies(`filter: { deals: { none: {} } }, orderBy: NAME_ASC`)).toEqual([
      "acorn_",
    ]);
    expect(await companies(`filter: { deals: { some: {} } }`)).toHaveLength(2);
    expect(
      await companies(
        `filter: { deals: { every: { stage: { equalTo: "Won" } } }, name: { startsWith: "A" } }`,
      ),
    ).toEqual(["Acme 100%"]);
    expect(await deals(`filter: { company: { name: { startsWith: "Bolt" } } }`)).toEqual(["lost"]);
    expect(await deals(`filter: { contactExists: true }`)).toEqual(["large"]);
    expect(await deals(`filter: { pipelineStage: { kind: { equalTo: lost } } }`)).toEqual(["lost"]);
  });

  test("combines with or, and, not", async () => {
    expect(
      await deals(`filter: {
        or: [{ stage: { equalTo: "Lost" } }, { value: { lessThan: 11 } }],
        not: { title: { equalTo: "small" } }
      }`),
    ).toEqual(["lost"]);
  });

  test("that is empty finds everything; one that holds null is refused", async () => {
    expect(await contacts(`filter: {}`)).toHaveLength(2);
    expect(
      await crm.graphql(`{ contacts(filter: { companyId: { equalTo: null } }) { totalCount } }`),
    ).toMatchObject({ errors: [{ extensions: { code: "VALIDATION_ERROR" } }] });
  });

  test("is offered for every column of every table, but for lists' and JSON's order", async () => {
    const { data } = await crm.graphql<{ __schema: { types: Type[] } }>(
      `{ __schema { types { name inputFields { name } fields { name type { kind ofType { kind } } } } } }`,
    );
    const computed = new Set([
      ...["history", "historyIsComplete", "fieldHistory", "duplicates", "index"],
      "externalIds", // contactByExternalId finds by them
    ]);
    const types = new Map(data?.__schema.types.map((type) => [type.name, type]));
    const missing = entities.flatMap((entity) => {
      const filterable = new Set(
        types.get(`${entity}Filter`)?.inputFields?.map(({ name }) => name),
      );
      const columns = types.get(entity)?.fields?.filter(({ name }) => !computed.has(name)) ?? [];
      return columns
        .filter(({ name }) => !filterable.has(name))
        .map(({ name }) => `${entity}.${name}`);
    });
    expect(missing).toEqual([]);
  });
});

describe("orderBy", () => {
  test("is the pipeline's own for its stages, unless told otherwise", async () => {
    const stages = ["Prospecting", "Qualification", "Proposal", "Negotiation", "Won", "Lost"];
    expect(await found("pipelineStages", "name", "first: 6")).toEqual(stages);
    expect(await found("pipelineStages", "name", "orderBy: POSITION_DESC")).toEqual(
      stages.toReversed(),
    );
  });

  test("sorts by names, values, dates, stages and several at once", async () => {
    const titles = (orderBy: string) => found("deals", "title", `orderBy: ${orderBy}`);
    expect(await titles("VALUE_DESC")).toEqual(["large", "lost", "small"]);
    expect(await titles("[STAGE_ASC, VALUE_ASC]")).toEqual(["small", "large", "lost"]);
    expect(await titles("[CLOSE_DATE_ASC]")).toEqual(["small", "large", "lost"]);
    expect(await titles("[CREATED_AT_DESC]")).toEqual(["lost", "large", "small"]);
    expect(await contacts("orderBy: [LAST_NAME_ASC, FIRST_NAME_ASC]")).toEqual(["Bob", "Ada"]);
    expect(await companies("orderBy: DEALS_SUM_VALUE_DESC, first: 1")).toEqual(["Acme 100%"]);
  });
});

describe("paging", () => {
  test("goes on after a cursor", async () => {
    const page = `nodes { title } pageInfo { hasNextPage endCursor }`;
    const { data } = await crm.graphql<{ deals: { pageInfo: { endCursor: string } } }>(
      `{ deals(first: 2, orderBy: VALUE_ASC) { ${page} } }`,
    );
    expect(data).toMatchObject({
      deals: { nodes: [{ title: "small" }, { title: "lost" }], pageInfo: { hasNextPage: true } },
    });
    const after = JSON.stringify(data?.deals.pageInfo.endCursor);
    expect(
      await crm.graphql(`{ deals(first: 2, orderBy: VALUE_ASC, after: ${after}) { ${page} } }`),
    ).toMatchObject({
      data: { deals: { nodes: [{ title: "large" }], pageInfo: { hasNextPage: false } } },
    });
  });

  test.each([
    ["CLOSE_DATE_ASC", "after", ["small", "large", "lost"]],
    ["CLOSE_DATE_DESC", "after", ["lost", "large", "small"]],
    ["CLOSE_DATE_ASC", "before", ["lost", "large", "small"]],
    ["CLOSE_DATE_DESC", "before", ["small", "large", "lost"]],
  ])("loses no row without a value: by %s, %s a cursor", async (order, side, expected) => {
    const [size, end] = side === "after" ? ["first", "endCursor"] : ["last", "startCursor"];
    const seen: string[] = [];
    for (let cursor = ""; seen.length < 3;) {
      const { data, errors } = await crm.graphql<{
        deals: { nodes: { title: string }[]; pageInfo: Record<string, string> };
      }>(`{
        deals(${size}: 1, orderBy: ${order} ${cursor}) { nodes { title } pageInfo { ${end} } }
      }`);
      expect(errors).toBeUndefined();
      const [deal] = data?.deals.nodes ?? [];
      if (deal === undefined) break;
      seen.push(deal.title);
      cursor = `, ${side}: ${JSON.stringify(data?.deals.pageInfo[end])}`;
    }
    expect(seen).toEqual(expected);
  });

  test("refuses a cursor of another order, and pages that cannot be", async () => {
    jest.spyOn(console, "error").mockImplementation(() => undefined); // Grafast says it there too
    const invalid = { errors: [{ extensions: { code: "VALIDATION_ERROR" } }] };
    const { data } = await crm.graphql<{ deals: { pageInfo: { endCursor: string } } }>(
      `{ deals(first: 1) { pageInfo { endCursor } } }`,
    );
    const after = JSON.stringify(data?.deals.pageInfo.endCursor);
    for (const args of [`after: ${after}, orderBy: TITLE_ASC`, `after: "?"`, `first: -1`]) {
      expect(await crm.graphql(`{ deals(${args}) { totalCount nodes { id } } }`)).toMatchObject(
        invalid,
      );
    }
  });
});

interface Type {
  name: string;
  inputFields: { name: string }[] | null;
  fields: { name: string }[] | null;
}

const entities = [
  "AuditLog",
  "Company",
  "Contact",
  "CustomFieldDefinition",
  "Deal",
  "ExchangeRate",
  "Note",
  "PipelineStage",
  "Task",
];
