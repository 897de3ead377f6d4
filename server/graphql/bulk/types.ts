import { access, each, type ObjectStep, type Step } from "postgraphile/grafast";
import {
  GraphQLBoolean,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLScalarType,
  GraphQLString,
} from "graphql";

import type { BulkMutation, Entity, Operation } from "./mutations.ts";
import type { BulkResult } from "./write.ts";

type Build = GraphileBuild.Build;

/** The origin of the types, which graphile-build names if another plugin registers the same name. */
const origin = "CrmBulkPlugin";

type Count = "created" | "updated" | "unchanged" | "deleted";

/** The counts in the payload of each operation. */
const counts: Record<Operation, readonly Count[]> = {
  create: ["created"],
  update: ["updated", "unchanged"],
  upsert: ["created", "updated", "unchanged"],
  delete: ["deleted"],
};

const countDocs: Record<Count, string> = {
  created: "The number of rows created; in a dry run, of those that would be.",
  updated: "The number of rows changed; in a dry run, of those that would be.",
  unchanged: "The number of rows that already had the values of the input.",
  deleted:
    "The number of rows deleted; in a dry run, of those that would be. Rows that are deleted by " +
    "cascade are not counted.",
};

/** Registers the types that all bulk mutations share. */
export function registerSharedTypes(build: Build): void {
  registerBulkMode(build);
  registerRowFault(build);
  registerRowToDelete(build);
}

function registerBulkMode(build: Build): void {
  build.registerEnumType(
    "BulkMode",
    {},
    () => ({
      description: "How a bulk mutation treats faulty rows.",
      values: {
        ALL_OR_NOTHING: {
          description:
            "If any row is faulty, nothing is written. The response is an error that lists the faults.",
        },
        VALID_ONLY: {
          description: "The other rows are written. The payload lists the faults.",
        },
      },
    }),
    origin,
  );
}

function registerRowFault(build: Build): void {
  build.registerObjectType(
    "RowFault",
    {},
    () => ({
      description: "The faults of one row of a bulk mutation.",
      fields: () => ({
        index: {
          type: required(GraphQLInt),
          description: "The position of the row in the input, from 0.",
        },
        code: {
          type: required(GraphQLString),
          description: "The error code that a mutation of this row alone would return.",
        },
        fields: {
          type: required(build.getOutputTypeByName("JSON")),
          description: "Messages by field, as in the extensions of an error.",
        },
      }),
    }),
    origin,
  );
}

function registerRowToDelete(build: Build): void {
  build.registerInputObjectType(
    "RowToDelete",
    {},
    () => ({
      description: "A row to delete.",
      fields: () => ({
        id: idField(build),
        version: {
          type: GraphQLInt,
          description: "If given, the row is only deleted if this is still its version.",
          apply: settingOf("version"),
        },
      }),
    }),
    origin,
  );
}

/** Registers the input types of one row of an entity. */
export function registerRowTypes(build: Build, { resource, entityType, name }: Entity): void {
  const patchScope = { pgCodec: resource.codec, isPgPatch: true, isPgRowType: true };
  build.registerInputObjectType(
    `${name}Update`,
    patchScope,
    () => ({
      description: `A ${entityType} to update. Omitted fields keep their values.`,
      fields: () => ({ id: idField(build) }),
    }),
    origin,
  );
  // No field is required by its type: a missing value is a fault of that row alone.
  build.registerInputObjectType(
    `${name}Create`,
    { ...patchScope, isBulkInsert: true },
    () => ({
      description: `A ${entityType} to create. Omitted fields get their defaults.`,
      fields: () => ({}),
    }),
    origin,
  );
  build.registerInputObjectType(
    `${name}Upsert`,
    { ...patchScope, isBulkInsert: true },
    () => ({
      description:
        `A ${entityType} to update, or to create if none has the external id. Omitted fields keep ` +
        "their values, or get their defaults.",
      fields: () => ({
        externalId: {
          type: required(build.getInputTypeByName("ExternalIdInput")),
          description: "The external id that identifies the row.",
          apply: settingOf("external_id"),
        },
      }),
    }),
    origin,
  );
}

/** Registers the input and the payload of a bulk mutation. */
export function registerMutationTypes(build: Build, mutation: BulkMutation): void {
  build.registerInputObjectType(
    mutation.input,
    { isMutationInput: true },
    () => ({
      description: `All input for the \`${mutation.field}\` mutation.`,
      fields: () => inputFields(build, mutation),
    }),
    origin,
  );
  build.registerObjectType(
    mutation.payload,
    { isMutationPayload: true },
    () => ({
      description: `The output of the \`${mutation.field}\` mutation.`,
      fields: () => payloadFields(build, mutation),
    }),
    origin,
  );
}

function inputFields(build: Build, { entity, row }: BulkMutation) {
  return {
    clientMutationId: {
      type: GraphQLString,
      description: "Any text. The payload repeats it.",
    },
    [entity.list]: {
      type: required(listOf(required(build.getInputTypeByName(row)))),
      description: "The rows. Send them in a variable: the length of a document is limited.",
    },
    mode: {
      type: build.getInputTypeByName("BulkMode"),
      description:
        "How faulty rows are treated. By default, nothing is written if any row is faulty.",
      defaultValue: "ALL_OR_NOTHING",
    },
    dryRun: {
      type: GraphQLBoolean,
      description: "If true, nothing is written; the payload shows what would happen.",
      defaultValue: false,
    },
  };
}

function payloadFields(build: Build, { entity, operation }: BulkMutation) {
  const fields = {
    clientMutationId: {
      type: GraphQLString,
      description: "The `clientMutationId` of the input.",
      plan: ($payload: ObjectStep) => $payload.get("clientMutationId"),
    },
    ...Object.fromEntries(counts[operation].map((count) => [count, countField(count)])),
    faults: {
      type: required(listOf(required(build.getOutputTypeByName("RowFault")))),
      description: "The faulty rows, in the order of the input. Empty if there are none.",
      plan: ($payload: ObjectStep) => resultOf($payload, "faults"),
    },
  };
  return operation === "delete" ? fields : { ...fields, [entity.list]: rowsField(build, entity) };
}

function countField(count: Count) {
  return {
    type: required(GraphQLInt),
    description: countDocs[count],
    plan: ($payload: ObjectStep) => resultOf($payload, count),
  };
}

function rowsField(build: Build, { resource, name }: Entity) {
  return {
    type: required(listOf(build.getOutputTypeByName(name))),
    description: "The rows in the order of the input; null for a row that was not written.",
    plan: ($payload: ObjectStep) =>
      each(resultOf<string[]>($payload, "ids"), ($id: Step) => resource.get({ id: $id })),
  };
}

function resultOf<Value>($payload: ObjectStep, name: keyof BulkResult) {
  return access<Value>($payload.get("result"), [name]);
}

function idField(build: Build) {
  return {
    type: required(build.getInputTypeByName("ID")),
    description: "The id of the row.",
    apply: settingOf("id"),
  };
}

/** Returns the `apply` of an input field that sets a column, or a key that `write_rows` reads. */
function settingOf(column: string) {
  return (target: { set: (name: string, value: unknown) => void }, value: unknown) => {
    target.set(column, value);
  };
}

/*
 * The types of graphql-js for inputs and outputs refer to each other in circles, which TypeScript does
 * not resolve here. A scalar is both, so these functions return everything as a scalar.
 */
export function required(type: unknown): GraphQLScalarType {
  return new GraphQLNonNull(type as GraphQLScalarType) as unknown as GraphQLScalarType;
}

function listOf(type: unknown): GraphQLScalarType {
  return new GraphQLList(type as GraphQLScalarType) as unknown as GraphQLScalarType;
}
