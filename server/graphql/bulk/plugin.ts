import type { FieldArgs, FieldInfo, Step } from "postgraphile/grafast";

import { type BulkMutation, entitiesOf, mutationsOf, type Operation } from "./mutations.ts";
import { registerMutationTypes, registerRowTypes, registerSharedTypes, required } from "./types.ts";
import { planWrite } from "./write.ts";

const operationDocs: Record<Operation, (list: string) => string> = {
  create: (list) => `Creates many ${list} at once.`,
  update: (list) => `Updates many ${list} at once.`,
  upsert: (list) => `Updates the ${list} whose external ids exist, and creates the others.`,
  delete: (list) => `Deletes many ${list} at once, each with the rows that belong to it.`,
};

/**
 * Adds mutations of many rows. Their SQL is `crm_private.write_rows`; this plugin defines their GraphQL
 * types. A row has the fields of the entity's input or patch, including those that other plugins add.
 */
export const BulkPlugin: GraphileConfig.Plugin = {
  name: "CrmBulkPlugin",
  version: "1.0.0",
  description: "Creates, updates, upserts and deletes many rows in one mutation.",
  after: ["PgAttributesPlugin", "PgTablesPlugin"],
  schema: {
    hooks: {
      init(_, build) {
        registerSharedTypes(build);
        for (const entity of entitiesOf(build)) {
          registerRowTypes(build, entity);
          for (const mutation of mutationsOf(build, entity)) registerMutationTypes(build, mutation);
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
        let extended = fields;
        for (const mutation of entitiesOf(build).flatMap((entity) => mutationsOf(build, entity))) {
          const { field } = mutation;
          const added = fieldWithHooks({ fieldName: field }, () => mutationField(build, mutation));
          extended = build.extend(extended, { [field]: added }, `the bulk mutation ${field}`);
        }
        return extended;
      },
    },
  },
};

function mutationField(build: GraphileBuild.Build, mutation: BulkMutation) {
  const { entity, operation, input, payload } = mutation;
  return {
    description: operationDocs[operation](entity.list),
    type: build.getOutputTypeByName(payload),
    args: { input: { type: required(build.getInputTypeByName(input)) } },
    plan: (_$root: Step, args: FieldArgs, { schema }: FieldInfo) =>
      planWrite(mutation, args, schema),
  };
}
