import type { PgResource } from "postgraphile/@dataplan/pg";
import { sideEffectWithPgClient } from "postgraphile/@dataplan/pg";
import { access, each, object, type ObjectStep, type Step } from "postgraphile/grafast";
import {
  GraphQLBoolean,
  type GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLScalarType,
  GraphQLString,
} from "graphql";

import { BulkError, type RowFault } from "../../errors/classes.ts";
import { bulkFaults } from "../../errors/from-postgres.ts";
import { fieldsAsSent } from "../custom-fields/inputs.ts";
import { rowOf } from "./input-rows.ts";

/** What becomes of the rows of a bulk mutation. */
type Operation = "create" | "update" | "upsert" | "delete";

const operations: readonly Operation[] = ["create", "update", "upsert", "delete"];

/** What the database answers. */
interface BulkResult {
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  readonly unchanged: number;
  readonly faults: readonly RowFault[];
  readonly ids: readonly (string | null)[];
}

/** How many rows of which kind a payload tells of. */
const counts: Record<Operation, readonly (keyof BulkResult)[]> = {
  create: ["created"],
  update: ["updated", "unchanged"],
  upsert: ["created", "updated", "unchanged"],
  delete: ["deleted"],
};

const countDocs: Partial<Record<keyof BulkResult, string>> = {
  created: "How many rows were created, or would be.",
  updated: "How many rows were changed, or would be.",
  unchanged: "How many rows were what they were to become already.",
  deleted: "How many rows were deleted, or would be. What went with them is not counted.",
};

const operationDocs: Record<Operation, (list: string) => string> = {
  create: (list) => `Creates many ${list} at once.`,
  update: (list) => `Changes many ${list} at once.`,
  upsert: (list) =>
    `Changes those of many ${list} whose external ids are known, and creates the others.`,
  delete: (list) => `Deletes many ${list} at once, each with what belongs to it.`,
};

/** One statement, in a transaction of its own. */
const statement = `
  select created, updated, deleted, unchanged, faults, ids
  from crm_private.write_rows($1, $2, $3::jsonb, $4, $5)`;

/**
 * Mutations of many rows. The work is done by `crm_private.write_rows`; this says what they look like
 * in GraphQL. A row has the fields of the entity's input or patch, those included that other plugins
 * add.
 */
export const BulkPlugin: GraphileConfig.Plugin = {
  name: "CrmBulkPlugin",
  version: "1.0.0",
  description: "Creates, updates, upserts and deletes many rows in one mutation.",
  after: ["PgAttributesPlugin", "PgTablesPlugin"],
  schema: {
    hooks: {
      init(_, build) {
        const { inflection } = build;
        build.registerEnumType(
          "BulkMode",
          {},
          () => ({
            description: "What becomes of a bulk mutation if rows are faulty.",
            values: {
              ALL_OR_NOTHING: {
                description: "Nothing is written; the answer is an error that lists the faults.",
              },
              VALID_ONLY: {
                description: "The others are written; the payload lists the faults.",
              },
            },
          }),
          "CrmBulkPlugin",
        );
        build.registerObjectType(
          "RowFault",
          {},
          () => ({
            description: "What is wrong with one row of a bulk mutation.",
            fields: () => ({
              index: {
                type: required(GraphQLInt),
                description: "The position of the row in the input, from 0.",
              },
              code: {
                type: required(GraphQLString),
                description: "The code that an error of this row alone would have.",
              },
              fields: {
                type: required(build.getOutputTypeByName("JSON")),
                description: "Messages by field, as in the extensions of an error.",
              },
            }),
          }),
          "CrmBulkPlugin",
        );
        build.registerInputObjectType(
          "RowToDelete",
          {},
          () => ({
            description: "A row to delete.",
            fields: () => ({
              id: {
                type: required(build.getInputTypeByName("UUID")),
                description: "The id of the row.",
                apply: settingOf("id"),
              },
              version: {
                type: GraphQLInt,
                description: "If given, the row is refused if it has another version by now.",
                apply: settingOf("version"),
              },
            }),
          }),
          "CrmBulkPlugin",
        );

        for (const { resource, entityType, list, name } of entitiesOf(build)) {
          const { codec } = resource;
          const patchScope = { pgCodec: codec, isPgPatch: true, isPgRowType: true };
          build.registerInputObjectType(
            `${name}Update`,
            patchScope,
            () => ({
              description: `A ${entityType} to change. A field that is left out stays as it is.`,
              fields: () => ({
                id: {
                  type: required(build.getInputTypeByName("UUID")),
                  description: `The id of the row.`,
                  apply: settingOf("id"),
                },
              }),
            }),
            "CrmBulkPlugin",
          );
          // Nothing is required by its type: what a row lacks is a fault of that row alone.
          build.registerInputObjectType(
            `${name}Create`,
            { ...patchScope, isBulkInsert: true },
            () => ({
              description: `A ${entityType} to create. A field that is left out has its default.`,
              fields: () => ({}),
            }),
            "CrmBulkPlugin",
          );
          build.registerInputObjectType(
            `${name}Upsert`,
            { ...patchScope, isBulkInsert: true },
            () => ({
              description:
                "A row to change, or to create if none has the external id. A field that is left " +
                "out stays as it is, or has its default.",
              fields: () => ({
                externalId: {
                  type: required(build.getInputTypeByName("ExternalIdInput")),
                  description: "The external id that tells which row is meant.",
                  apply: settingOf("external_id"),
                },
              }),
            }),
            "CrmBulkPlugin",
          );
          for (const operation of operations) {
            const field = inflection.camelCase(`${operation}-${list}`);
            const typeName = inflection.upperCamelCase(field);
            const rowType = rowTypeOf(operation, name);
            build.registerInputObjectType(
              `${typeName}Input`,
              { isMutationInput: true },
              () => ({
                description: `All input for the \`${field}\` mutation.`,
                fields: () => ({
                  clientMutationId: {
                    type: GraphQLString,
                    description: "Any text; the payload has it too.",
                  },
                  [list]: {
                    type: required(listOf(required(build.getInputTypeByName(rowType)))),
                    description: "The rows. Give them by a variable: a document is limited.",
                  },
                  mode: {
                    type: build.getInputTypeByName("BulkMode"),
                    description: "What happens if rows are faulty: nothing, if not given.",
                    defaultValue: "ALL_OR_NOTHING",
                  },
                  dryRun: {
                    type: GraphQLBoolean,
                    description: "Whether nothing is written, and only told what would happen.",
                    defaultValue: false,
                  },
                }),
              }),
              "CrmBulkPlugin",
            );
            build.registerObjectType(
              `${typeName}Payload`,
              { isMutationPayload: true },
              () => ({
                description: `The output of the \`${field}\` mutation.`,
                fields: () => ({
                  clientMutationId: {
                    type: GraphQLString,
                    description: "The `clientMutationId` of the input.",
                    plan: ($payload: ObjectStep) => $payload.get("clientMutationId"),
                  },
                  ...Object.fromEntries(
                    counts[operation].map((count) => [
                      count,
                      {
                        type: required(GraphQLInt),
                        description: countDocs[count],
                        plan: ($payload: ObjectStep) => access($payload.get("result"), [count]),
                      },
                    ]),
                  ),
                  faults: {
                    type: required(listOf(required(build.getOutputTypeByName("RowFault")))),
                    description:
                      "What is wrong with rows, in the order of the input. Empty if nothing is.",
                    plan: ($payload: ObjectStep) => access($payload.get("result"), ["faults"]),
                  },
                  ...(operation === "delete"
                    ? {}
                    : {
                        [list]: {
                          type: required(listOf(build.getOutputTypeByName(name))),
                          description:
                            "The rows in the order of the input, null in the place of one that " +
                            "was not written.",
                          plan: ($payload: ObjectStep) =>
                            each(access<string[]>($payload.get("result"), ["ids"]), ($id: Step) =>
                              resource.get({ id: $id }),
                            ),
                        },
                      }),
                }),
              }),
              "CrmBulkPlugin",
            );
          }
        }
        return _;
      },

      GraphQLInputObjectType_fields(fields, _build, { scope }) {
        // A new row has no version yet.
        if (scope.isBulkInsert) delete fields.version;
        return fields;
      },

      GraphQLObjectType_fields(fields, build, { scope, fieldWithHooks }) {
        if (!scope.isRootMutation) return fields;
        const { inflection } = build;
        let extended = fields;
        for (const { resource, entityType, list, name } of entitiesOf(build)) {
          for (const operation of operations) {
            const fieldName = inflection.camelCase(`${operation}-${list}`);
            const typeName = inflection.upperCamelCase(fieldName);
            const rowType = rowTypeOf(operation, name);
            extended = build.extend(
              extended,
              {
                [fieldName]: fieldWithHooks({ fieldName }, () => ({
                  description: operationDocs[operation](list),
                  type: build.getOutputTypeByName(`${typeName}Payload`),
                  args: {
                    input: {
                      type: required(build.getInputTypeByName(`${typeName}Input`)),
                    },
                  },
                  plan(_$root, args, { schema }) {
                    const type = schema.getType(rowType) as GraphQLInputObjectType;
                    const $input = object({
                      rows: args.getRaw(["input", list]),
                      mode: args.getRaw(["input", "mode"]),
                      dryRun: args.getRaw(["input", "dryRun"]),
                    });
                    const $result = sideEffectWithPgClient(
                      resource.executor,
                      $input,
                      async (client, { rows, mode, dryRun }) => {
                        const sent = rows as object[];
                        const given = sent.map((row) => rowOf(schema, type, row));
                        const asSent = (faults: readonly RowFault[]) =>
                          faults.map((fault) => ({
                            ...fault,
                            fields: fieldsAsSent(fault.fields, sent[fault.index], type),
                          }));
                        try {
                          const { rows: results } = await client.query<BulkResult>({
                            text: statement,
                            values: [entityType, operation, JSON.stringify(given), mode, dryRun],
                          });
                          const [result] = results;
                          return result && { ...result, faults: asSent(result.faults) };
                        } catch (error) {
                          const faults = bulkFaults(error);
                          if (faults === undefined) throw error;
                          throw new BulkError(list, asSent(faults));
                        }
                      },
                    );
                    return object({
                      result: $result,
                      clientMutationId: args.getRaw(["input", "clientMutationId"]),
                    });
                  },
                })),
              },
              `the bulk mutation ${fieldName}`,
            );
          }
        }
        return extended;
      },
    },
  },
};

/*
 * Inputs and outputs are kept apart by types that go round in circles. A scalar is both, so that is
 * what these pass for.
 */
function required(type: unknown): GraphQLScalarType {
  return new GraphQLNonNull(type as GraphQLScalarType) as unknown as GraphQLScalarType;
}

function listOf(type: unknown): GraphQLScalarType {
  return new GraphQLList(type as GraphQLScalarType) as unknown as GraphQLScalarType;
}

/** A field of an input that stands for a column, or what the database reads beside the columns. */
function settingOf(column: string) {
  return (target: { set: (name: string, value: unknown) => void }, value: unknown) => {
    target.set(column, value);
  };
}

function rowTypeOf(operation: Operation, name: string): string {
  switch (operation) {
    case "create":
      return `${name}Create`;
    case "update":
      return `${name}Update`;
    case "upsert":
      return `${name}Upsert`;
    case "delete":
      return "RowToDelete";
  }
}

interface Entity {
  readonly resource: PgResource;
  readonly entityType: string;
  /** What a list of them is called: `contacts`. */
  readonly list: string;
  /** The name of its type: `Contact`. */
  readonly name: string;
}

/** The entities whose rows can be written in bulk: those with external ids. */
function entitiesOf(build: GraphileBuild.Build): Entity[] {
  return (Object.values(build.pgResources) as PgResource[])
    .filter(
      ({ parameters, codec }) =>
        parameters === undefined && codec.attributes?.external_ids !== undefined,
    )
    .map((resource) => ({
      resource,
      entityType: build.inflection.singularize(resource.name),
      list: resource.name,
      name: build.inflection.tableType(resource.codec),
    }));
}
