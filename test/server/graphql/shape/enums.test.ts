import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

import { expect, test } from "@jest/globals";
import {
  buildSchema,
  getNamedType,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isObjectType,
} from "graphql";

import { withRollback } from "../../../helpers/database.ts";
import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
const sdl = resolve(import.meta.dirname, "../../../../schema.graphql");
const readApi = async () => buildSchema(await readFile(sdl, "utf8"));

const types: Record<string, string> = {
  api_keys: "ApiKey",
  audit_logs: "AuditLog",
  custom_field_definitions: "CustomFieldDefinition",
  notes: "Note",
  pipeline_stages: "PipelineStage",
  tasks: "Task",
};

test("a column whose values a constraint lists is an enum of these values", () =>
  withRollback(async (client) => {
    const api = await readApi();
    const { rows } = await client.query<{ table: string; column: string; values: string[] }>(
      `select constrained.conrelid::regclass::text as table, attribute.attname as column,
         array(
           select value[1]
           from regexp_matches(pg_get_constraintdef(constrained.oid), '''(\\w+)''::text', 'g') as value
         ) as values
       from pg_constraint as constrained
       join pg_attribute as attribute
         on attribute.attrelid = conrelid and attribute.attnum = any (conkey)
       where connamespace = 'crm'::regnamespace
         and conname like '%\\_known'
         and atttypid = 'text'::regtype
         and pg_get_constraintdef(constrained.oid) like '%ANY (ARRAY[%'`,
    );
    expect(rows.length).toBeGreaterThan(7);
    for (const { table, column, values } of rows) {
      const type = api.getType(types[table.replace("crm.", "")] ?? table);
      const field = column.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
      const given = isObjectType(type) ? type.getFields()[field]?.type : undefined;
      const found: GraphQLNamedType | undefined = given && getNamedType(given);
      const names = isEnumType(found) ? found.getValues().map(({ name }) => name) : [];
      const isEntityType = column === "entity_type";
      expect([table, column, isEntityType ? names.filter((name) => values.includes(name)) : names])
        // The schema file lists values by name.
        .toEqual([table, column, [...values].sort()]);
    }
  }));

test("entity types are those of the catalogue, and those of entries that concern no row", () =>
  withRollback(async (client) => {
    const { rows } = await client.query<{ entity_type: string }>(
      "select entity_type from crm_private.entity_types",
    );
    const type = (await readApi()).getType("EntityType");
    expect(isEnumType(type) && type.getValues().map(({ name }) => name)).toEqual(
      [...rows.map((row) => row.entity_type), "setting", "audit_log"].sort(),
    );
  }));

test("nothing that is called like one of these columns is a text", async () => {
  const enums: Record<string, string> = {
    ...{ action: "AuditAction", entityType: "EntityType", entityTypes: "EntityType" },
    ...{ fieldType: "CustomFieldType", kind: "StageKind", role: "Role", status: "TaskStatus" },
  };
  const texts: string[] = [];
  const look = (place: string, name: string, type: unknown) => {
    const wanted = enums[name];
    const found = String(type).replaceAll(/[[\]!]/g, "");
    if (wanted !== undefined && found !== wanted && found !== `${wanted}Filter`) {
      texts.push(`${place} ${name}: ${found}`);
    }
  };
  for (const type of Object.values((await readApi()).getTypeMap())) {
    // Aggregates are counts.
    if (/^__|Aggregate/.test(type.name)) continue;
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) look(type.name, field.name, field.type);
    } else if (isObjectType(type)) {
      for (const field of Object.values(type.getFields())) {
        look(type.name, field.name, field.type);
        for (const arg of field.args) look(`${type.name}.${field.name}`, arg.name, arg.type);
      }
    }
  }
  expect(texts).toEqual([]);
});

test("values are those of SQL, in answers, filters, orders and variables", async () => {
  const id = await crm.create("company", { name: "Acme" });
  for (const status of ["open", "closed"]) {
    await crm.create("task", { description: status, status, entityType: "company", entityId: id });
  }
  const query = `query ($status: TaskStatus, $type: [EntityType!]) {
    some: tasks(filter: { status: { equalTo: $status } }) { nodes { status entityType } }
    all: tasks(filter: { entityType: { in: $type } }, orderBy: STATUS_ASC) { nodes { status } }
    auditLogs(filter: { action: { equalTo: create }, entityType: { equalTo: task } }) { totalCount }
    search(query: "open", entityTypes: $type) { nodes { entityType } }
  }`;
  expect(await crm.graphql(query, { status: "open", type: ["company", "task"] })).toMatchObject({
    data: {
      some: { nodes: [{ status: "open", entityType: "company" }] },
      // In the order of the constraint, not of the alphabet.
      all: { nodes: [{ status: "open" }, { status: "closed" }] },
      auditLogs: { totalCount: 2 },
      search: { nodes: [{ entityType: "task" }] },
    },
  });
});

test("another value is refused with its field and the values that there are", async () => {
  const mutation =
    "mutation ($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }";
  const task = { description: "call", status: "done", entityType: "lead", entityId: "x" };
  const { errors } = await crm.graphql(mutation, { input: { task } });
  expect(errors?.[0]?.extensions).toMatchObject({
    code: "VALIDATION_ERROR",
    fields: {
      status: ['"done" is not one of open, closed'],
      entityType: [expect.stringContaining('"lead" is not one of api_key, company, contact')],
      entityId: ["must be a UUID"],
    },
  });
});
