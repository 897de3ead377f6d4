import "@graphile/pg-aggregates";
import {
  getNullableType,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLOutputType,
  type GraphQLScalarType,
} from "graphql";
import {
  PgBooleanFilter,
  PgCondition,
  TYPES,
  type PgCodec,
  type PgResource,
  type PgSelectSingleStep,
} from "postgraphile/@dataplan/pg";
import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import type { SQL } from "postgraphile/pg-sql2";

import { amountsOf, isOperation, type Amounts, type Operation } from "./amounts.ts";

/** A column that holds amounts of money. */
interface Money {
  readonly name: string;
  readonly amounts: Amounts;
}

const words: Readonly<Record<Operation, string>> = {
  ...{ sum: "The sum", average: "The average", min: "The minimum", max: "The maximum" },
};

/**
 * Amounts of several currencies are never added up, averaged or compared: an aggregate of them is null.
 * Two more fields have the aggregate of each currency, and the aggregate in the base currency. Filters on
 * aggregates find rows whose amounts are in one currency.
 */
export const MoneyPlugin: GraphileConfig.Plugin = {
  name: "CrmMoneyPlugin",
  version: "1.0.0",
  description: "Keeps currencies apart in aggregates.",
  after: [
    "PgAggregatesAddAggregateTypesPlugin",
    "PgAggregatesAddHavingAggregateTypesPlugin",
    "PgAggregatesFilterRelationalAggregatesPlugin",
  ],
  schema: {
    hooks: {
      init(_, build) {
        build.registerObjectType(
          "CurrencyAmount",
          {},
          () => ({
            description: "An amount of money in one currency.",
            fields: () => ({
              amount: {
                type: nonNull(build.getOutputTypeByName("BigFloat")),
                description: "The amount.",
              },
              currency: {
                type: nonNull(build.graphql.GraphQLString),
                description: "The ISO 4217 code of its currency.",
              },
            }),
          }),
          "CrmMoneyPlugin",
        );
        return _;
      },

      GraphQLObjectType_fields(fields, build, { scope, fieldWithHooks }) {
        const { isPgAggregateType, pgAggregateSpec: spec, pgTypeResource: resource } = scope;
        if (!isPgAggregateType || !spec || !resource || !isOperation(spec.id)) return fields;
        const { id: operation } = spec;
        const wrap = (value: SQL) => spec.sqlAggregateWrap(value, TYPES.numeric);
        let extended = fields;
        for (const { name, amounts } of moneyOf(resource as PgResource)) {
          const fieldName = build.inflection.attribute({
            ...{ attributeName: name, codec: resource.codec as never },
          });
          const field = extended[fieldName];
          if (field === undefined) continue;
          extended = {
            ...extended,
            [fieldName]: {
              ...field,
              description: `${words[operation]} of \`${fieldName}\`. Null if there are several currencies.`,
              type: getNullableType(field.type) as GraphQLOutputType,
              plan: ($group: PgSelectSingleStep) =>
                $group.select(amounts.ofOneCurrency(rowOf($group), wrap), TYPES.numeric),
            },
          };
          const inBase = `${fieldName}InBaseCurrency`;
          const byCurrency = `${fieldName}ByCurrency`;
          extended = build.extend(
            extended,
            {
              [inBase]: fieldWithHooks({ fieldName: inBase }, () => ({
                description:
                  `${words[operation]} of \`${fieldName}\` in the base currency: closed deals at the rate ` +
                  "of the day they closed, others at today's. Null if a currency has no rate.",
                type: build.getOutputTypeByName("BigFloat"),
                plan: ($group: PgSelectSingleStep) =>
                  $group.select(
                    amounts.inBaseCurrency(rowOf($group), operation, wrap),
                    TYPES.numeric,
                  ),
              })),
              [byCurrency]: fieldWithHooks({ fieldName: byCurrency }, () => ({
                description: `${words[operation]} of \`${fieldName}\` in each currency.`,
                type: nonNull(
                  new GraphQLList(nonNull(build.getOutputTypeByName("CurrencyAmount"))),
                ),
                plan: ($group: PgSelectSingleStep) =>
                  $group.select(amounts.byCurrency(rowOf($group), operation), TYPES.jsonb),
              })),
            },
            "Adding aggregates of money",
          );
        }
        return extended;
      },

      GraphQLInputObjectType_fields(fields, build, { scope, Self }) {
        const { pgConnectionAggregateFilterAggregateSpec: filtered, pgTypeResource } = scope;
        if (filtered && pgTypeResource && isOperation(filtered.id)) {
          const { pgTypeCodecModifier } = filtered;
          return changed(build, fields, pgTypeResource as PgResource, (amounts) => ({
            apply($parent: PgCondition, input: unknown) {
              if (input == null) return undefined;
              const $column = new PgCondition($parent);
              $column.extensions.pgFilterAttribute = {
                codec: (pgTypeCodecModifier?.(TYPES.numeric) ?? TYPES.numeric) as PgCodec,
                expression: amounts.ofOneCurrency($column.alias, (value) =>
                  filtered.sqlAggregateWrap(value, TYPES.numeric),
                ),
              };
              return $column;
            },
          }));
        }
        for (const resource of Object.values(build.pgResources) as PgResource[]) {
          if (moneyOf(resource).length === 0 || resource.parameters) continue;
          for (const aggregateSpec of build.pgAggregateSpecs) {
            const typeName = build.inflection.aggregateHavingAggregateInputType({
              ...{ resource, aggregateSpec },
            });
            if (Self.name !== typeName || !isOperation(aggregateSpec.id)) continue;
            return changed(build, fields, resource, (amounts) => ({
              apply: ($having: PgCondition) =>
                new PgBooleanFilter(
                  $having,
                  amounts.ofOneCurrency($having.alias, (value) =>
                    aggregateSpec.sqlAggregateWrap(value, TYPES.numeric),
                  ),
                ),
            }));
          }
        }
        return fields;
      },
    },
  },
};

/** The columns of a table that hold amounts of money. */
export function moneyOf({ codec }: PgResource): Money[] {
  return Object.entries(codec.attributes ?? {}).flatMap(([name, attribute]) => {
    const amounts = amountsOf(name, attribute);
    return amounts === undefined ? [] : [{ name, amounts }];
  });
}

type Fields = Record<string, GrafastInputFieldConfig>;

function changed<Given extends object>(
  build: GraphileBuild.Build,
  fields: Given,
  resource: PgResource,
  change: (amounts: Amounts) => Pick<GrafastInputFieldConfig, "apply">,
): Given {
  const all: Fields = { ...(fields as unknown as Fields) };
  for (const { name, amounts } of moneyOf(resource)) {
    const fieldName = build.inflection.attribute({
      ...{ attributeName: name, codec: resource.codec as never },
    });
    const field = all[fieldName];
    if (field !== undefined) all[fieldName] = { ...field, ...change(amounts) };
  }
  return all as unknown as Given;
}

function rowOf($group: PgSelectSingleStep): SQL {
  return $group.getClassStep().alias;
}

/* TypeScript separates inputs from outputs by circular types; see the bulk mutations. */
function nonNull(type: unknown): GraphQLScalarType {
  return new GraphQLNonNull(type as GraphQLScalarType) as unknown as GraphQLScalarType;
}
