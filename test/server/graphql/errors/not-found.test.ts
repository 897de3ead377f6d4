import { expect, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
const id = "00000000-0000-4000-8000-000000000000";

/** Every entity that can be written, with a patch for it. */
const entities: [string, Record<string, unknown>][] = [
  ["company", { name: "x" }],
  ["contact", { firstName: "x" }],
  ["customFieldDefinition", { label: "x" }],
  ["deal", { title: "x" }],
  ["exchangeRate", { rate: "2" }],
  ["note", { content: "x" }],
  ["pipelineStage", { name: "x" }],
  ["task", { description: "x" }],
];

const upper = (entity: string) => entity.charAt(0).toUpperCase() + entity.slice(1);
const notFound = (entityType: string) => ({
  errors: [{ extensions: { code: "NOT_FOUND", entityType, id } }],
});

test.each(entities)("an update of an absent %s says so", async (entity, patch) => {
  const name = `update${upper(entity)}`;
  expect(
    await crm.graphql(
      `mutation ($input: ${upper(name)}Input!) { ${name}(input: $input) { ${entity} { id } } }`,
      { input: { id, patch } },
    ),
  ).toMatchObject(notFound(entity));
});

test.each(entities)("a delete of an absent %s says so, whatever is asked of it", async (entity) => {
  const name = `delete${upper(entity)}`;
  for (const selection of [`${entity} { id }`, `clientMutationId`, `query { __typename }`]) {
    expect(
      await crm.graphql(
        `mutation ($input: ${upper(name)}Input!) { ${name}(input: $input) { ${selection} } }`,
        { input: { id } },
      ),
    ).toMatchObject(notFound(entity));
  }
});

test.each(entities)("an absent %s that is only asked for is null", async (entity) => {
  expect(await crm.graphql(`{ ${entity}(id: "${id}") { id } }`)).toMatchObject({
    data: { [entity]: null },
  });
});

test("a delete answers with what it deleted", async () => {
  const company = await crm.create("company", { name: "Acme" });
  const remove = `mutation ($input: DeleteCompanyInput!) {
    deleteCompany(input: $input) { company { id name } }
  }`;
  expect(await crm.graphql(remove, { input: { id: company } })).toMatchObject({
    data: { deleteCompany: { company: { id: company, name: "Acme" } } },
  });
  expect(await crm.graphql(`{ company(id: "${company}") { id } }`)).toMatchObject({
    data: { company: null },
  });
});
