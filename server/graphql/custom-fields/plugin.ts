import "@graphile/pg-aggregates";
import type { GraphQLEnumValueConfig, GraphQLInputType } from "graphql";
import {
  listOfCodec,
  TYPES,
  type PgCodec,
  type PgResource,
  type PgSelectQueryBuilder,
} from "postgraphile/@dataplan/pg";
import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { customValues, nameAsSent } from "./inputs.ts";

/** The schema of the functions that are compiled from custom field definitions. */
export const customSchema = "crm_custom";

/** A resource that is a function. */
type FieldResource = PgResource & { parameters: NonNullable<PgResource["parameters"]> };

/** The target of the input of a row. */
interface Row {
  set(attribute: string, value: unknown): void;
}

/**
 * Makes custom fields work like columns: they can be selected, filtered, ordered, grouped, aggregated and
 * written. The database has a function for each. PostGraphile can select functions; this plugin adds the
 * rest.
 */
export const CustomFieldsPlugin: GraphileConfig.Plugin = {
  name: "CrmCustomFieldsPlugin",
  version: "1.0.0",
  description: "Makes custom fields work like columns.",
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const result = await next();
        if ("errors" in result) result.errors?.forEach((error) => nameAsSent(error, args));
        return result;
      },
    },
  },
  schema: {
    entityBehavior: {
      pgResource: {
        override: (behavior, resource: PgResource) =>
          isCustomField(resource) ? [behavior, "proc:filterBy"] : behavior,
      },
    },
    hooks: {
      GraphQLEnumType_values(values, build, { scope }) {
        const { isPgRowSortEnum, isPgAggregateGroupEnum, pgTypeResource } = scope;
        const codec = (
          isPgRowSortEnum ? scope.pgCodec : isPgAggregateGroupEnum && pgTypeResource?.codec
        ) as PgCodec | false | undefined;
        if (!codec) return values;
        const add = isPgRowSortEnum ? ordersBy : groupsBy;
        const added = customFieldsOf(build, codec).flatMap((resource) =>
          add(build, resource).map(
            ([name, value]) => [name, { ...value, ...deprecationOf(resource) }] as const,
          ),
        );
        return build.extend(values, Object.fromEntries(added), "Adding custom fields");
      },

      GraphQLInputObjectType_fields(fields, build, { scope, fieldWithHooks }) {
        const { pgCodec, isPgPatch, isInputType } = scope;
        if (pgCodec === undefined || !(isPgPatch || isInputType)) return fields;
        const added: typeof fields = {};
        for (const resource of customFieldsOf(build, pgCodec)) {
          const fieldName = build.inflection.computedAttributeField({ resource });
          const type = build.getGraphQLTypeByPgCodec(resource.codec, "input") as GraphQLInputType;
          const { customField, currentField } = resource.extensions?.tags ?? {};
          const extensions = {
            customField: String(customField),
            ...(typeof currentField === "string" ? { currentField } : {}),
          };
          added[fieldName] = fieldWithHooks(
            { fieldName },
            { description: resource.description, type, extensions },
          );
        }
        return build.extend(fields, added, "Adding inputs of custom fields");
      },

      GraphQLInputObjectType(config, _build, { scope }) {
        const bake = config.extensions?.grafast?.baked;
        const codec = scope.pgCodec;
        if (bake === undefined || codec?.extensions?.tags?.customFieldsOf === undefined)
          return config;
        const baked: typeof bake = (input, info): unknown =>
          bake(input, {
            ...info,
            applyChildren: (row: Row) =>
              info.applyChildren(withCustomFields(row, input, info.type)),
          });
        return { ...config, extensions: { ...config.extensions, grafast: { baked } } };
      },

      GraphQLObjectType_fields_field: withDeprecation,

      GraphQLInputObjectType_fields_field(given, build, context) {
        const { scope } = context;
        const field = withDeprecation(given, build, context);
        const { apply }: GrafastInputFieldConfig = field;
        if (!scope.isMutationInput || apply === undefined) return field;
        const amended: GrafastInputFieldConfig = {
          ...field,
          apply(target, value, info) {
            const row = apply(target, value, info) as Row | undefined;
            return row && withCustomFields(row, value, info.field.type);
          },
        };
        return amended;
      },
    },
  },
};

/** Returns the deprecation of a custom field that was renamed or deleted. */
function deprecationOf({ extensions }: PgResource): { deprecationReason?: string } {
  const reason = extensions?.tags?.deprecated;
  return typeof reason === "string" ? { deprecationReason: reason } : {};
}

/** Deprecates the fields of former names in aggregates, filters and inputs. */
function withDeprecation<Field extends { deprecationReason?: string | null | undefined }>(
  field: Field,
  build: GraphileBuild.Build,
  {
    scope,
  }: { scope: { fieldName: string; pgCodec?: PgCodec; pgTypeResource?: PgResource | undefined } },
): Field {
  const codec = scope.pgCodec ?? scope.pgTypeResource?.codec;
  const deprecationReason = codec && formerNames(build, codec).get(scope.fieldName);
  return deprecationReason === undefined || field.deprecationReason != null
    ? field
    : { ...field, deprecationReason };
}

const formerNamesOf = new WeakMap<GraphileBuild.Build, Map<PgCodec, Map<string, string>>>();

/** Returns the former names of a table's custom fields, each with the reason of its deprecation. */
function formerNames(build: GraphileBuild.Build, codec: PgCodec): ReadonlyMap<string, string> {
  const known = formerNamesOf.get(build) ?? new Map<PgCodec, Map<string, string>>();
  formerNamesOf.set(build, known);
  const names =
    known.get(codec) ??
    new Map(
      customFieldsOf(build, codec).flatMap((resource) => {
        const { deprecationReason } = deprecationOf(resource);
        return deprecationReason === undefined
          ? []
          : [[build.inflection.computedAttributeField({ resource }), deprecationReason]];
      }),
    );
  known.set(codec, names);
  return names;
}

/** Returns whether a resource is the function of a custom field. */
function isCustomField(resource: PgResource): boolean {
  return resource.extensions?.pg?.schemaName === customSchema;
}

/** Returns the custom fields of a table, or of the table that a type names by `@customFieldsOf`. */
function customFieldsOf(build: GraphileBuild.Build, codec: PgCodec): FieldResource[] {
  const table = codec.extensions?.tags?.customFieldsOf;
  return (Object.values(build.input.pgRegistry.pgResources) as PgResource[]).filter(
    (resource): resource is FieldResource => {
      const row = isCustomField(resource) ? resource.parameters?.[0]?.codec : undefined;
      return row !== undefined && (row === codec || row.name === table);
    },
  );
}

type EnumValues = [name: string, value: GraphQLEnumValueConfig][];

/** Returns the orders by a custom field. Its value may be null, which cursors depend on. */
function ordersBy(build: GraphileBuild.Build, resource: FieldResource): EnumValues {
  const field = build.inflection.computedAttributeField({ resource });
  return (["ASC", "DESC"] as const).map((direction) => [
    build.inflection.constantCase(`${field}-${direction}`),
    {
      extensions: {
        grafast: {
          apply(rows: PgSelectQueryBuilder) {
            const { fragment, codec } = orderOf(resource, rows.alias);
            rows.orderBy({ fragment, codec, direction, nullable: true });
          },
        },
      },
    },
  ]);
}

/** Returns the groups by a custom field, and by periods if it is a date. */
function groupsBy(build: GraphileBuild.Build, resource: FieldResource): EnumValues {
  const field = build.inflection.computedAttributeField({ resource });
  const isChoice = resource.extensions?.tags?.choicesOf !== undefined;
  const groupOrder = (row: SQL) => orderOf(resource, row).fragment;
  const group = (name: string, wrap: (value: SQL) => SQL, codec: PgCodec): EnumValues[number] => [
    build.inflection.constantCase(name),
    {
      extensions: {
        ...(isChoice ? { groupOrder } : {}),
        grafast: {
          apply(rows: PgSelectQueryBuilder) {
            rows.groupBy({ fragment: wrap(valueOf(resource, rows.alias)), codec });
          },
        },
      },
    },
  ];
  return [
    group(field, (value) => value, resource.codec),
    ...build.pgAggregateGroupBySpecs
      .filter((spec) => spec.isSuitableType(resource.codec))
      .map((spec) =>
        group(`${field}-${spec.id}`, spec.sqlWrap, spec.sqlWrapCodec(resource.codec) as PgCodec),
      ),
  ];
}

/**
 * Returns the expression of the order by a custom field: its value or, for a field with choices, the position
 * of the value among them. The choices are read in the same statement, so they are current, and by the id of
 * the definition, so they are found after the field was renamed.
 */
function orderOf(resource: PgResource, row: SQL): { fragment: SQL; codec: PgCodec } {
  const value = valueOf(resource, row);
  const { choicesOf } = resource.extensions?.tags ?? {};
  if (typeof choicesOf !== "string") return { fragment: value, codec: resource.codec };
  const choices = sql`(
    select definition.enum_values
    from crm.custom_field_definitions as definition
    where definition.id = ${sql.literal(choicesOf)}
  )`;
  if (!resource.codec.arrayOfCodec) {
    return { fragment: sql`array_position(${choices}, ${value})`, codec: TYPES.int };
  }
  const fragment = sql`crm_private.positions(${value}, ${choices})`;
  return { fragment, codec: listOfCodec(TYPES.int) };
}

/** Returns the expression of a custom field of a row. */
function valueOf({ name, from }: PgResource, row: SQL): SQL {
  if (typeof from !== "function") throw new Error(`${name} is not a function`);
  return from({ placeholder: row });
}

/**
 * Sets the typed custom fields of an input, merged with its raw object. Without a raw object, the other
 * custom fields of the row keep their values.
 */
function withCustomFields(row: Row, input: unknown, type: GraphQLInputType): Row {
  const values = customValues(input, type);
  if (values === undefined) return row;
  row.set("custom_fields", values);
  return { set: (attribute, value) => attribute === "custom_fields" || row.set(attribute, value) };
}
