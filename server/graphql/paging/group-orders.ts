import "@graphile/pg-aggregates";
import type { GraphQLEnumType, GraphQLEnumValueConfig } from "graphql";
import type { PgGroupSpec, PgResource, PgSelectQueryBuilder } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { rankOf } from "./ranks.ts";

declare module "graphql" {
  interface GraphQLEnumValueExtensions {
    /** The expression that groups are ordered by, if it is not the key. */
    groupOrder?: (row: SQL) => SQL;
  }
}

/** Groups are ordered by their keys; keys that are choices, in the order of their definition. */
export const GroupOrdersPlugin: GraphileConfig.Plugin = {
  name: "CrmGroupOrdersPlugin",
  version: "1.0.0",
  description: "Orders groups by stage and by other choices as they are defined.",
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

/** Returns the order of groups: by their keys, in the order in which the client names them. */
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
  // PostgreSQL refuses a constant as an order.
  return keys.length === 0 ? sql`(select null::text)` : sql.join(keys, ", ");
}
