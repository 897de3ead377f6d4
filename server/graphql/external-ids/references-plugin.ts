import type {
  PgCodecWithAttributes,
  PgInsertSingleStep,
  PgResource,
  PgUpdateSingleStep,
} from "postgraphile/@dataplan/pg";
import {
  access,
  type FieldArgs,
  type GrafastInputFieldConfig,
  list,
  type ObjectStep,
  sideEffect,
} from "postgraphile/grafast";
import {
  getNamedType,
  getNullableType,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLSchema,
  isInputObjectType,
} from "graphql";

import { type InputRow, rowOf } from "../bulk/input-rows.ts";
import { hasReference, referencesOf, type Reference } from "./references.ts";

/** The target of the input of a row. */
interface Row {
  set(attribute: string, value: unknown): void;
}

const statement = {
  name: "pgcrm_resolve_row",
  text: "select crm_private.resolve_row($1, $2, $3::jsonb) as row",
};

/**
 * A row may give a reference by external id: `company: { externalId }` instead of `companyId`. Bulk
 * mutations pass it on to `crm_private.write_rows`. A mutation of one row resolves it first, with
 * `crm_private.resolve_row`, which raises all faults of the row if a reference is faulty.
 *
 * No field of a reference is required by its type, because there are two. The database requires one.
 */
export const ReferencesPlugin: GraphileConfig.Plugin = {
  name: "CrmReferencesPlugin",
  version: "1.0.0",
  description: "Lets inputs reference rows by external id.",
  before: ["CrmNotFoundPlugin"],
  schema: {
    hooks: {
      GraphQLInputObjectType_fields(fields, build, { scope, fieldWithHooks }) {
        const { pgCodec, isPgPatch, isInputType } = scope;
        if (!pgCodec?.attributes || !(isPgPatch || isInputType)) return fields;
        const { inflection } = build;
        const codec = pgCodec as PgCodecWithAttributes;
        const added: typeof fields = {};
        for (const { name, attribute } of referencesOf(build, codec)) {
          const fieldName = inflection.camelCase(name);
          const id = inflection.attribute({ codec, attributeName: attribute });
          added[fieldName] = fieldWithHooks(
            { fieldName },
            {
              description:
                `The ${fieldName} by its external id, instead of \`${id}\`.` +
                (name === "entity" ? " Requires `entityType`." : ""),
              type: build.getInputTypeByName("ReferenceInput"),
              extensions: { reference: name },
            },
          );
        }
        return build.extend(fields, added, "Adding references by external id");
      },

      GraphQLInputObjectType_fields_field(field, build, { scope }) {
        const { pgCodec, isPgPatch, isInputType, isMutationInput, fieldName } = scope;
        const { apply }: GrafastInputFieldConfig = field;
        if (isMutationInput && apply !== undefined) {
          const amended: GrafastInputFieldConfig = {
            ...field,
            apply(target, value, info) {
              const row = apply(target, value, info) as Row | undefined;
              return row && withoutReferences(row, value, info.field.type);
            },
          };
          return amended;
        }
        if (!pgCodec?.attributes || !(isPgPatch || isInputType)) return field;
        const codec = pgCodec as PgCodecWithAttributes;
        const isId = referencesOf(build, codec).some(
          ({ attribute }) =>
            build.inflection.attribute({ codec, attributeName: attribute }) === fieldName,
        );
        return isId ? { ...field, type: getNullableType<GraphQLInputType>(field.type) } : field;
      },

      GraphQLObjectType_fields_field(field, build, { scope }) {
        const { isPgCreateMutation, isPgUpdateMutation, pgFieldResource } = scope;
        const { plan } = field;
        const resource = pgFieldResource as PgResource | undefined;
        if (!(isPgCreateMutation ?? isPgUpdateMutation) || !resource || !plan) return field;
        const references = referencesOf(build, resource.codec as PgCodecWithAttributes);
        if (references.length === 0) return field;
        const { inflection } = build;
        const write: Write = {
          entityType: inflection.singularize(resource.name),
          operation: isPgCreateMutation ? "create" : "update",
          type: isPgCreateMutation
            ? inflection.inputType(inflection.tableType(resource.codec))
            : inflection.patchType(inflection.tableType(resource.codec)),
          references,
          resource,
        };
        const row = isPgCreateMutation ? inflection.tableFieldName(resource) : "patch";
        return {
          ...field,
          plan($root, args, info) {
            const $resolved = resolve(write, args, row, info.schema);
            // Each step runs after the side effects that were planned before it.
            const ids = references.map(
              ({ attribute }) => [attribute, access($resolved, [attribute])] as const,
            );
            const $payload = plan($root, args, info) as ObjectStep;
            const $row = $payload.get("result") as PgInsertSingleStep | PgUpdateSingleStep;
            for (const [attribute, $id] of ids) $row.set(attribute as never, $id);
            return $payload;
          },
        };
      },
    },
  },
};

/** A mutation of one row that may have references by external id. */
interface Write {
  readonly entityType: string;
  readonly operation: "create" | "update";
  /** The name of the input type of the row. */
  readonly type: string;
  readonly references: readonly Reference[];
  readonly resource: PgResource;
}

/** Returns the step that resolves the references of an input: the ids by column, if they are given. */
function resolve(write: Write, args: FieldArgs, row: string, schema: GraphQLSchema) {
  const { entityType, operation, references, resource } = write;
  const type = schema.getType(write.type) as GraphQLInputObjectType;
  const $given = list([args.getRaw("input"), resource.executor.context()]);
  return sideEffect($given, async ([sentInput, { withPgClient, pgSettings }]) => {
    const { id, [row]: given } = sentInput as InputRow;
    if (!hasReference(given, type)) return {};
    const input: InputRow = rowOf(schema, type, given as object);
    const sent = operation === "update" ? { ...input, id } : input;
    const resolved = await withPgClient(
      pgSettings as Record<string, string> | null,
      async (client) => {
        const { rows } = await client.query<{ row: InputRow }>({
          ...statement,
          values: [entityType, operation, JSON.stringify(sent)],
        });
        return rows[0]?.row ?? {};
      },
    );
    return Object.fromEntries(
      references
        .filter(({ name }) => input[name] !== undefined)
        .map(({ attribute }) => [attribute, resolved[attribute]]),
    );
  });
}

/** Returns a row whose ids of references are not set by fields that stand beside a reference. */
function withoutReferences(row: Row, input: unknown, type: GraphQLInputType): Row {
  const inputType = getNamedType(type);
  if (!isInputObjectType(inputType) || !hasReference(input, inputType)) return row;
  const sent = input as Readonly<Record<string, unknown>>;
  const resolved = new Set(
    Object.values(inputType.getFields()).flatMap(({ name, extensions: { reference } }) =>
      reference === undefined || sent[name] === undefined ? [] : [`${reference}_id`],
    ),
  );
  return { set: (attribute, value) => resolved.has(attribute) || row.set(attribute, value) };
}
