import { expect, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

/** What a client may set, in order of the alphabet; `!` marks what it must. */
const inputs: Record<string, string> = {
  CompanyInput: "address customFields externalIds name! ownerId",
  ContactInput:
    "company companyId customFields emails externalIds firstName! lastName! ownerId phones",
  CustomFieldDefinitionInput:
    "defaultValue description entityType! enumValues fieldType! isUnique label! maxLength maximum " +
    "minimum name! pattern required",
  DealInput:
    "closeDate company companyId contact contactId currency customFields externalIds lostReason ownerId probability stage! title! value!",
  ExchangeRateInput: "currency! rate! validFrom!",
  NoteInput: "content! entity entityId entityType! externalIds",
  PipelineStageInput: "kind name! position probability",
  TaskInput: "assignedTo description! dueDate entity entityId entityType! externalIds status",
  NewDealInput:
    "closeDate company companyId contact contactId currency customFields externalIds lostReason ownerId probability stage title value",
  NewTaskInput: "assignedTo description dueDate externalIds status",
};

async function fieldsOf(type: string): Promise<string[]> {
  const { data } = await crm.graphql<{
    __type: { inputFields: { name: string; type: { kind: string } }[] };
  }>(`query ($type: String!) { __type(name: $type) { inputFields { name type { kind } } } }`, {
    type,
  });
  return (data?.__type.inputFields ?? [])
    .map(({ name, type: { kind } }) => (kind === "NON_NULL" ? `${name}!` : name))
    .sort();
}

test.each(Object.entries(inputs))("%s holds what a client may set: %s", async (type, fields) => {
  expect((await fieldsOf(type)).join(" ")).toBe(fields);
});

/** What is settled when a row is created. */
const settled = new Map([["CustomFieldDefinitionInput", ["entityType"]]]);

test.each(Object.entries(inputs).filter(([type]) => !type.startsWith("New")))(
  "the patch beside %s holds what may change, none of it required, and the version",
  async (type, fields) => {
    const changing = fields
      .replaceAll("!", "")
      .split(" ")
      .filter((field) => !settled.get(type)?.includes(field));
    const expected = [...changing, "version"].sort();
    expect(await fieldsOf(type.replace("Input", "Patch"))).toEqual(expected);
  },
);

/** What can be done beside creating, changing and deleting a row. */
const actors = [
  "createApiKey",
  "createDealWithTasks",
  "eraseContact",
  "indexCustomField",
  "mergeCompanies",
  "mergeContacts",
  "purgeTrash",
  "renameCustomFieldValue",
  "restoreDeleted",
  "revokeApiKey",
  "setBaseCurrency",
  "setDefaultCountry",
  "setTimeZone",
  "setFormerFieldRetention",
  "setTrashRetention",
  "undoEntry",
  "undoField",
  "undoTransaction",
  "unindexCustomField",
];

test("mutations are those of the entities, and what else there is to do: the audit log is read", async () => {
  const { data } = await crm.graphql<{
    __schema: { mutationType: { fields: { name: string }[] } };
  }>(`{ __schema { mutationType { fields { name } } } }`);
  const entities = Object.keys(inputs)
    .filter((type) => !type.startsWith("New"))
    .map((type) => type.replace("Input", ""));
  expect(data?.__schema.mutationType.fields.map(({ name }) => name).sort()).toEqual(
    [
      ...["create", "update", "delete"].flatMap((verb) => entities.map((entity) => verb + entity)),
      ...["create", "update", "upsert", "delete"].flatMap((verb) =>
        ["Companies", "Contacts", "Deals", "Notes", "Tasks"].map((entities) => verb + entities),
      ),
      ...actors,
    ].sort(),
  );
});

test("a deal and its tasks are created together, or not at all", async () => {
  const createBoth = `mutation ($input: CreateDealWithTasksInput!) {
    createDealWithTasks(input: $input) {
      deal { title probability tasks(orderBy: DESCRIPTION_ASC) { nodes { description status } } }
    }
  }`;
  const companyId = await crm.create("company", { name: "Acme" });
  const deal = { title: "Engine", companyId, value: "1.50", stage: "Won" };
  const tasks = [{ description: "call" }, { description: "write" }];
  expect(await crm.graphql(createBoth, { input: { deal, tasks } })).toMatchObject({
    data: {
      createDealWithTasks: {
        deal: {
          title: "Engine",
          probability: 100,
          tasks: {
            nodes: [
              { description: "call", status: "open" },
              { description: "write", status: "open" },
            ],
          },
        },
      },
    },
  });
  const refused = { deal: { ...deal, title: "refused" }, tasks: [...tasks, { description: " " }] };
  expect(await crm.graphql(createBoth, { input: refused })).toMatchObject({
    errors: [
      {
        extensions: {
          code: "VALIDATION_ERROR",
          fields: { "tasks.2.description": ["must not be blank"] },
        },
      },
    ],
  });
  expect(
    await crm.graphql(`{ deals(filter: { title: { equalTo: "refused" } }) { totalCount } }`),
  ).toMatchObject({ data: { deals: { totalCount: 0 } } });
});
