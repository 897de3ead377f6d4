import { expect, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

interface Member {
  name: string;
  description: string | null;
}

interface Type extends Member {
  fields: Member[] | null;
  inputFields: Member[] | null;
}

const documented = [
  "ApiKey",
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
const written = documented.filter((name) => !["ApiKey", "AuditLog"].includes(name));

test("every type, field and operation is described, in the words of the database", async () => {
  const { data } = await crm.graphql<{ __schema: { types: Type[] } }>(`{
    __schema {
      types { name description fields { name description } inputFields { name description } }
    }
  }`);
  const names = new Set([
    "Query",
    "Mutation",
    "IssuedApiKey",
    "NewDealInput",
    "NewTaskInput",
    ...documented,
    ...written.flatMap((name) => [`${name}Input`, `${name}Patch`]),
  ]);
  const types = data?.__schema.types.filter(({ name }) => names.has(name)) ?? [];
  expect(types).toHaveLength(names.size);
  const undescribed = types.flatMap((type) => [
    ...(type.description ? [] : [type.name]),
    ...[...(type.fields ?? []), ...(type.inputFields ?? [])]
      .filter(({ description }) => !description)
      .map(({ name }) => `${type.name}.${name}`),
  ]);
  expect(undescribed).toEqual([]);
});
