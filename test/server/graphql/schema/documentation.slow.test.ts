import { expect, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

interface Member {
  name: string;
  description: string | null;
}

interface Type extends Member {
  fields: (Member & { args: Member[] })[] | null;
  inputFields: Member[] | null;
  enumValues: Member[] | null;
}

const schema = `{
  __schema {
    types {
      name
      description
      fields { name description args { name description } }
      inputFields { name description }
      enumValues { name description }
    }
  }
}`;

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
  const { data } = await crm.graphql<{ __schema: { types: Type[] } }>(schema);
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

/** Phrases of the descriptions that PostGraphile and its plugins write. */
const phrases = [
  ...["data universe", "root mutation type", "Our root query", "Get a single", "Reads a single"],
  ...[
    "Reads and enables",
    "Reads a set",
    "A connection to",
    "in the connection",
    "end of the edge",
  ],
  ...[
    "contains the `",
    "in pagination",
    "When paginating",
    "resuming pagination",
    "about pagination",
  ],
  ...["values of the set", "values in the set", "values from our", "get from the connection"],
  ...["method to use", "Methods to use", "Grouping methods", "used in determining", "used against"],
  ...["Filter by the object", "filter criteria", "A related `", "Some related `", "logical ‘and"],
  ...["expressions in this list", "Negates the expression", "Is null (if"],
  ...[
    "matching connection",
    "over matching",
    "within the aggregate",
    "on the grouped",
    "Mean average",
  ],
  ...["exclusive input", "a unique key", "All input for", "The output of", "mutations affecting"],
  ...[
    "by this mutation",
    "Represents ",
    "being updated",
    "Relay",
    "semantic meaning",
    "The exact same",
  ],
  ...["IEEE 754", "eight-byte", "may be coerced", "YYYY-MM-DD format", "smallest distinct unit"],
  ...["A quantity of", "non-integer field"],
];
const typeName = /`[A-Z]\w*`/;

test("no description is that of a generator", async () => {
  const { data } = await crm.graphql<{ __schema: { types: Type[] } }>(schema);
  const types = data?.__schema.types ?? [];
  const isOwn = ({ name }: Type) =>
    !name.startsWith("__") && !["Boolean", "Float", "ID", "Int", "String"].includes(name);
  const left = types.filter(isOwn).flatMap((type) => {
    const members = [
      ...(type.fields ?? []),
      ...(type.inputFields ?? []),
      ...(type.enumValues ?? []),
    ];
    const args = (type.fields ?? []).flatMap((field) => field.args);
    return [type, ...members, ...args]
      .map(({ description }) => description ?? "")
      .filter((text) => typeName.test(text) || phrases.some((phrase) => text.includes(phrase)))
      .map((description) => `${type.name}: ${description}`);
  });
  expect(types.length).toBeGreaterThan(300);
  expect(left).toEqual([]);
});

test("a generated field, type and argument are described in the words of a CRM", async () => {
  const { data } = await crm.graphql<{ __schema: { types: Type[] } }>(schema);
  const described = (name: string, field?: string, arg?: string) => {
    const type = data?.__schema.types.find((each) => each.name === name);
    const members = [...(type?.fields ?? []), ...(type?.inputFields ?? [])];
    const member = members.find((each) => each.name === field);
    const args = type?.fields?.find((each) => each.name === field)?.args ?? [];
    const found = arg ? args.find((each) => each.name === arg) : field ? member : type;
    return found?.description;
  };
  expect(described("Query", "contact")).toBe("The contact with this id. Null if there is none.");
  expect(described("Query", "auditLogs")).toBe("The audit log entries, page by page.");
  expect(described("Company", "contacts")).toBe("The contacts of the company, page by page.");
  expect(described("Query", "deals", "orderBy")).toBe(
    "The order of the deals: by the first entry, then the next. By default RELEVANCE if `search` is given, otherwise CREATED_AT_DESC.",
  );
  expect(described("ApiKeyEdge")).toBe("An API key and its cursor.");
  expect(described("CompanyFilter", "name")).toBe("Conditions on `name`.");
  expect(described("DealAverageAggregates", "probability")).toBe("The average of `probability`.");
  expect(described("Contact", "company")).toBe(
    "The company that the contact works for. Null if there is none. Deleting the company sets it to null.",
  );
});
