import { expect, test } from "@jest/globals";

import { until } from "../../../helpers/process.ts";
import { type Caller, useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
const ann = { role: "admin", user: "ann" } as const;
const bob = { role: "member", user: "bob" } as const;

async function ask<Data>(query: string, variables = {}, caller: Caller = ann): Promise<Data> {
  const { data, errors } = await crm.graphql<Data>(query, variables, caller);
  expect(errors).toBeUndefined();
  return data as Data;
}

async function refused(query: string, variables = {}, caller: Caller = ann): Promise<unknown> {
  const { errors } = await crm.graphql(query, variables, caller);
  return errors?.[0]?.extensions;
}

const define = (field: Record<string, unknown>) =>
  crm.create("customFieldDefinition", { label: "F", entityType: "company", ...field }, ann);

const company = (customFields: Record<string, unknown>, caller: Caller = bob) =>
  crm.create("company", { name: "Acme", customFields }, caller);

test("a definition says what values are like, and an input that differs is refused by its field", async () => {
  await define({ name: "size", fieldType: "number", minimum: "1", maximum: "10", defaultValue: 5 });
  await define({ name: "code", fieldType: "text", maxLength: 2, pattern: "^[A-Z]+$" });
  await define({
    name: "tags",
    fieldType: "multi_enum",
    enumValues: ["a", "b"],
    defaultValue: ["a"],
  });
  const id = await company({ code: "AB", tags: ["b", "a"] });
  expect(await ask(`query ($id: ID!) { company(id: $id) { customFields } }`, { id })).toEqual({
    company: { customFields: { size: 5, code: "AB", tags: ["b", "a"] } },
  });
  expect(
    await refused(
      `mutation ($input: CreateCompanyInput!) { createCompany(input: $input) { clientMutationId } }`,
      { input: { company: { name: "A", customFields: { size: 11, code: "abc", tags: [] } } } },
      bob,
    ),
  ).toEqual({
    code: "VALIDATION_ERROR",
    constraint: "companies_custom_fields_max_length",
    fields: {
      "customFields.code": ["must have at most 2 characters", "must match ^[A-Z]+$"],
      "customFields.size": ["must be at most 10"],
      "customFields.tags": ["must be a list of one or more, none twice, of a, b"],
    },
  });
});

test("a unique value that is taken is told by the name of its field", async () => {
  await define({ name: "vat_number", fieldType: "text", isUnique: true });
  await company({ vat_number: "DE1" });
  const create = `mutation ($input: CreateCompanyInput!) {
    createCompany(input: $input) { clientMutationId }
  }`;
  const input = { company: { name: "B", customFields: { vat_number: "DE1" } } };
  expect(await refused(create, { input }, bob)).toEqual({
    code: "CONSTRAINT_VIOLATION",
    constraint: "companies_custom_vat_number_unique",
    fields: { "customFields.vat_number": ["is taken"] },
  });
});

test("a unique value that is taken is told by the field that it was sent as", async () => {
  await define({ name: "ticker", fieldType: "text", isUnique: true });
  await company({ ticker: "ACME" });
  const query = "{ companies(first: 1) { nodes { ticker } } }";
  await until(async () => (await crm.graphql(query)).errors === undefined);
  const create = `mutation ($input: CreateCompanyInput!) {
    createCompany(input: $input) { clientMutationId }
  }`;
  const input = { company: { name: "B", ticker: "ACME" } };
  expect(await refused(create, { input }, bob)).toMatchObject({ fields: { ticker: ["is taken"] } });
  const createAll = `mutation ($input: CreateCompaniesInput!) {
    createCompanies(input: $input) { clientMutationId }
  }`;
  const companies = [{ name: "C" }, { name: "D", ticker: "ACME" }];
  expect(await refused(createAll, { input: { companies } }, bob)).toMatchObject({
    fields: { "companies.1.ticker": ["is taken"] },
    faults: [{ index: 1, fields: { ticker: ["is taken"] } }],
  });
});

test("rows that a rule would break are listed page by page, for administrators", async () => {
  await define({ name: "weight", fieldType: "number" });
  for (const weight of [1, 2, 3]) await company({ weight });
  const query = `query ($first: Int, $after: Cursor) {
    checkCustomFieldRule(
      entityType: company, name: "weight", minimum: "4", first: $first, after: $after
    ) { nodes { entityId value message } pageInfo { hasNextPage endCursor } }
  }`;
  interface Page {
    checkCustomFieldRule: {
      nodes: { value: number; message: string }[];
      pageInfo: { hasNextPage: boolean; endCursor: string };
    };
  }
  const { checkCustomFieldRule: first } = await ask<Page>(query, { first: 2 });
  expect(first.pageInfo.hasNextPage).toBe(true);
  const after = first.pageInfo.endCursor;
  const { checkCustomFieldRule: last } = await ask<Page>(query, { first: 2, after });
  expect(last.pageInfo.hasNextPage).toBe(false);
  const nodes = [...first.nodes, ...last.nodes];
  expect(nodes.map(({ value }) => value).sort()).toEqual([1, 2, 3]);
  expect(new Set(nodes.map(({ message }) => message))).toEqual(new Set(["must be at least 4"]));
  expect(await refused(query, {}, bob)).toMatchObject({ code: "FORBIDDEN" });
  expect(
    await refused(`{ checkCustomFieldRule(entityType: company, name: "weight", pattern: "(") {
      nodes { message }
    } }`),
  ).toMatchObject({
    code: "VALIDATION_ERROR",
    fields: { pattern: ["can be given for a text only", expect.any(String)] },
  });
});

test("a field and a value are renamed, and the rows go along", async () => {
  const id = await define({ name: "tier", fieldType: "enum", enumValues: ["gold", "tin"] });
  const companyId = await company({ tier: "gold" });
  const renameValue = `mutation ($input: RenameCustomFieldValueInput!) {
    renameCustomFieldValue(input: $input) { customFieldDefinition { id enumValues } }
  }`;
  const input = { entityType: "company", name: "tier", oldValue: "gold", newValue: "Gold" };
  expect(await refused(renameValue, { input }, bob)).toMatchObject({ code: "FORBIDDEN" });
  expect(await ask(renameValue, { input })).toEqual({
    renameCustomFieldValue: { customFieldDefinition: { id, enumValues: ["Gold", "tin"] } },
  });
  expect(await refused(renameValue, { input })).toMatchObject({
    code: "VALIDATION_ERROR",
    fields: { oldValue: ['"gold" is not a value of this field'] },
  });
  await ask(
    `mutation ($id: ID!) {
       updateCustomFieldDefinition(input: { id: $id, patch: { name: "level" } }) {
         customFieldDefinition { name }
       }
     }`,
    { id },
  );
  expect(
    await ask(`query ($id: ID!) { company(id: $id) { customFields updatedBy } }`, {
      id: companyId,
    }),
  ).toMatchObject({ company: { customFields: { level: "Gold" }, updatedBy: "ann" } });
});
