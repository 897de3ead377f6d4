import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { buildSchema, type GraphQLField, type GraphQLObjectType } from "graphql";

import { code, escapeTags, table } from "./markdown.ts";

/** The arguments of every list. The document describes them once. */
const pageArguments = ["after", "before", "filter", "first", "last", "offset", "orderBy"];

/** Reads schema.graphql. */
async function readSchema() {
  const path = join(import.meta.dirname, "../../schema.graphql");
  return buildSchema(await readFile(path, "utf8"));
}

/** Renders the queries of the API. */
export async function renderQueries(): Promise<string> {
  return renderFields((await readSchema()).getQueryType());
}

/** Renders the mutations of the API. The fields of an input are those of its argument `input`. */
export async function renderMutations(): Promise<string> {
  const schema = await readSchema();
  const fields = Object.values(schema.getMutationType()?.getFields() ?? {});
  return table(
    ["Mutation", "Description"],
    fields.map((field) => [code(field.name), describe(field)]),
  );
}

/** Renders the entities and their fields. */
export async function renderObjects(): Promise<string> {
  const schema = await readSchema();
  const names = [
    ...["Contact", "Company", "Deal", "Task", "Note", "CustomFieldDefinition", "PipelineStage"],
    ...["ExchangeRate", "AuditLog", "ApiKey"],
  ];
  return names
    .map((name) => {
      const type = schema.getType(name) as GraphQLObjectType;
      return [
        `### ${code(name)}`,
        ...(type.description ? [escapeTags(type.description)] : []),
        renderFields(type),
      ].join("\n\n");
    })
    .join("\n\n");
}

function renderFields(type: GraphQLObjectType | null | undefined): string {
  return table(
    ["Field", "Type", "Description"],
    Object.values(type?.getFields() ?? {}).map((field) => [
      code(`${field.name}${listArguments(field)}`),
      code(String(field.type)),
      describe(field),
    ]),
  );
}

function listArguments(field: GraphQLField<unknown, unknown>): string {
  const own = field.args.filter(({ name }) => !pageArguments.includes(name));
  const pages = own.length < field.args.length ? ["…"] : [];
  const all = [...own.map(({ name, type }) => `${name}: ${String(type)}`), ...pages];
  return all.length === 0 ? "" : `(${all.join(", ")})`;
}

function describe(field: GraphQLField<unknown, unknown>): string {
  return escapeTags((field.description ?? "").split("\n\n")[0] ?? "");
}
