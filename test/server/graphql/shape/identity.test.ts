import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "@jest/globals";
import { buildSchema, getNamedType, type GraphQLObjectType, isObjectType } from "graphql";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { useTestServer } from "../../../helpers/server.ts";

const schema = buildSchema(
  readFileSync(join(import.meta.dirname, "../../../../schema.graphql"), "utf8"),
);
const objects = Object.values(schema.getTypeMap()).filter(
  (type): type is GraphQLObjectType => isObjectType(type) && !type.name.startsWith("__"),
);
const isNode = (type: GraphQLObjectType) =>
  type.getInterfaces().some(({ name }) => name === "Node");
const fieldsOf = objects.flatMap((type) =>
  Object.values(type.getFields()).map((field) => ({
    type,
    field,
    name: `${type.name}.${field.name}`,
  })),
);

describe("in the schema", () => {
  test("only entities have an id, and theirs is one that no other row has", () => {
    const withId = objects.filter((type) => "id" in type.getFields());
    expect(withId.filter((type) => !isNode(type))).toEqual([]);
    expect(withId.map((type) => String(type.getFields().id?.type))).toEqual(
      withId.map(() => "ID!"),
    );
  });

  test("each entity has a type of its own for its past, without the id", () => {
    const queries = schema.getQueryType()?.getFields() ?? {};
    const past = Object.values(queries).filter(
      ({ name }) => name.endsWith("AsOf") && name !== "pipelineAsOf",
    );
    expect(past.length).toBeGreaterThan(5);
    for (const { name, type } of past) {
      const typeName = name.charAt(0).toUpperCase() + name.slice(1);
      expect(String(type)).toBe(typeName);
      const fields = (schema.getType(typeName) as GraphQLObjectType).getFields();
      expect(String(fields.asOf?.type)).toBe("Datetime!");
      const entity = typeName.replace(/AsOf$/, "");
      const idField = ["Task", "Note"].includes(entity) ? `${entity.toLowerCase()}Id` : "entityId";
      expect([typeName, String(fields[idField]?.type)]).toEqual([typeName, "ID!"]);
      // No field leads from the past to the present.
      const leads = Object.values(fields).filter((field) => {
        const target = getNamedType(field.type);
        return isObjectType(target) && isNode(target);
      });
      expect(leads).toEqual([]);
    }
  });

  test("elements of lists are never null, except keys of groups and rows that were not written", () => {
    const nullable = fieldsOf
      .filter(({ field }) => /\[\w+\]/.test(String(field.type)))
      .map(({ name }) => name)
      .filter((name) => !/^\w+Aggregates\.keys$/.test(name))
      .filter((name) => !/^(Create|Update|Upsert)\w+Payload\.\w+s$/.test(name));
    expect(nullable).toEqual([]);
    const inputs = readFileSync(join(import.meta.dirname, "../../../../schema.graphql"), "utf8")
      .split("\n")
      .filter(
        (line) =>
          /^ +\w+: \[\w+\]/.test(line) &&
          !/keys|: \[(Contact|Company|Deal|Task|Note)\]!/.test(line),
      );
    expect(inputs).toEqual([]);
  });

  test("lists of the query are never null, nor what a mutation did", () => {
    const connections = fieldsOf.filter(({ field }) => /Connection!?$/.test(String(field.type)));
    expect(connections.filter(({ field }) => !String(field.type).endsWith("!"))).toEqual([]);
    const done = fieldsOf.filter(({ type, field }) => {
      const result = getNamedType(field.type);
      return (
        type.name.endsWith("Payload") &&
        field.name !== "query" &&
        isObjectType(result) &&
        !result.name.endsWith("Edge")
      );
    });
    expect(done.filter(({ field }) => !String(field.type).endsWith("!"))).toEqual([]);
    expect(String(objects.find(({ name }) => name === "Deal")?.getFields().company?.type)).toBe(
      "Company!",
    );
  });
});

describe("node", () => {
  const crm = useTestServer();
  const ask = async (id: string, role: "reader" | "admin" = "reader") => {
    const { data, errors } = await crm.graphql<{ node: unknown }>(
      `query ($id: ID!) { node(id: $id) { __typename id ... on Company { name } ... on Task { description } } }`,
      { id },
      { role, user: "ann" },
    );
    expect(errors).toBeUndefined();
    return data?.node;
  };

  test("finds an entity of any type by its id", async () => {
    const company = await crm.create("company", { name: "Acme" });
    const task = await crm.create("task", {
      description: "Call",
      entityType: "company",
      entityId: company,
    });
    expect(await ask(company)).toEqual({ __typename: "Company", id: company, name: "Acme" });
    expect(await ask(task)).toEqual({ __typename: "Task", id: task, description: "Call" });
    await withConnection(crm.database.ownerUrl, async (client) => {
      const { rows } = await client.query<{ id: string }>(
        "select id from crm.pipeline_stages where name = 'Won'",
      );
      expect(await ask(rows[0]?.id ?? "")).toEqual({
        __typename: "PipelineStage",
        id: rows[0]?.id,
      });
    });
  });

  test("is null for an id of no row, and of a row that the caller may not read", async () => {
    expect(await ask("00000000-0000-4000-8000-000000000000")).toBeNull();
    const { data } = await crm.graphql<{
      createApiKey: { issuedApiKey: { apiKey: { id: string } } };
    }>(
      `mutation { createApiKey(input: { name: "node", role: reader }) {
        issuedApiKey { apiKey { id } } } }`,
      {},
      { role: "admin", user: "root" },
    );
    const id = data?.createApiKey.issuedApiKey.apiKey.id ?? "";
    expect(await ask(id)).toBeNull();
    expect(await ask(id, "admin")).toEqual({ __typename: "ApiKey", id });
  });

  test("refuses what is no UUID, with the field", async () => {
    const { errors } = await crm.graphql("{ node(id: 5) { id } }");
    expect(errors?.[0]?.extensions).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { id: ["must be a UUID"] },
    });
  });
});
