import "@graphile/pg-aggregates";
import type { GraphQLEnumType, GraphQLEnumValueConfig } from "graphql";
import type { PgGroupSpec, PgResource, PgSelectQueryBuilder } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { rankOf } from "./ranks.ts";

declare module "graphql" {
  interface GraphQLEnumValueExtensions {
    /** What a group is ordered by where that is not what it is a group of. */
    groupOrder?: (row: SQL) => SQL;
  }
}

/** Groups come in the order of their keys, those of choices as the choices are defined. */
export const GroupOrdersPlugin: GraphileConfig.Plugin = {
  name: "CrmGroupOrdersPlugin",
  version: "1.0.0",
  description: "Knows the order of groups by stages and other choices.",
  after: ["PgAggregatesAddGroupByAggregateEnumValuesForAttributesPlugin"],
  schema: {
    hooks: {
      GraphQLEnumType_values(values, build, { scope }) {
        if (!scope.isPgAggregateGroupEnum || !scope.pgTypeResource) return values;
        const resource = scope.pgTypeResource as PgResource;
        const changed: Record<string, GraphQLEnumValueConfig> = {};
        for (const attributeName of Object.keys(resource.codec.attributes ?? {})) {
          const name = build.inflection.aggregateGroupByAttributeEnum({ resource, attributeName });
          const rank = rankOf(resource, attributeName);
          const value = values[name];
          if (rank === undefined || value === undefined) continue;
          changed[name] = {
            ...value,
            extensions: { ...value.extensions, groupOrder: (row) => rank.inRow(row) },
          };
        }
        return { ...values, ...changed };
      },
    },
  },
};

/** What groups are ordered by: their keys, in the order in which the client names them. */
export function groupOrder(type: GraphQLEnumType, names: readonly string[], row: SQL): SQL {
  const keys = names.flatMap((name) => {
    const { extensions } = type.getValue(name) ?? {};
    if (extensions?.groupOrder) return [extensions.groupOrder(row)];
    const fragments: SQL[] = [];
    const groups: Pick<PgSelectQueryBuilder, "alias" | "groupBy"> = {
      alias: row,
      groupBy: (spec) => {
        fragments.push((spec as PgGroupSpec).fragment);
      },
    };
    extensions?.grafast?.apply?.(groups, undefined as never);
    return fragments;
  });
  return keys.length === 0 ? sql`true` : sql.join(keys, ", ");
}
