import "@graphile/pg-aggregates";
import type { GraphQLEnumValueConfig } from "graphql";
import type {
  PgCodec,
  PgCodecWithAttributes,
  PgRegistry,
  PgResource,
} from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { untilNow, type OrderedRows } from "../paging/moment.ts";

/**
 * Orders rows by aggregates of what belongs to them where a column's value is not all that counts: how
 * long something has lasted goes on while pages are turned.
 */
export const AggregateOrdersPlugin: GraphileConfig.Plugin = {
  name: "CrmAggregateOrdersPlugin",
  version: "1.0.0",
  description: "Orders by aggregates of durations at the moment of the first page.",
  after: ["PgAggregatesOrderByAggregatesPlugin"],
  schema: {
    hooks: {
      GraphQLEnumType_values(values, build, { scope }) {
        const codec = scope.pgCodec as PgCodecWithAttributes | undefined;
        const resource = scope.isPgRowSortEnum && codec ? build.pgTableResource(codec) : undefined;
        if (!resource) return values;
        const changed: Record<string, GraphQLEnumValueConfig> = {};
        const relations = resource.getRelations() as unknown as Record<string, Relation>;
        for (const [relationName, relation] of Object.entries(relations)) {
          if (!relation.isReferencee || relation.isUnique) continue;
          const { attributes = {} } = relation.remoteResource.codec;
          for (const [attributeName, attribute] of Object.entries(attributes)) {
            const duration = untilNow(attribute);
            if (duration === undefined) continue;
            for (const aggregateSpec of build.pgAggregateSpecs) {
              const name = build.inflection.orderByAttributeAggregateOfManyRelationByKeys({
                ...{ registry: resource.registry as PgRegistry, codec: codec as PgCodec },
                ...{ relationName, attributeName, aggregateSpec },
              });
              for (const direction of ["ASC", "DESC"] as const) {
                const value = values[`${name}_${direction}`];
                if (value === undefined) continue;
                changed[`${name}_${direction}`] = {
                  ...value,
                  extensions: {
                    grafast: {
                      apply(rows: OrderedRows) {
                        const row = sql.identifier(Symbol(attributeName));
                        const lasted = duration(row, rows.now());
                        const aggregate = aggregateSpec.sqlAggregateWrap(lasted, attribute.codec);
                        rows.orderBy({
                          fragment: sql`(select ${aggregate} from ${related(relation, row, rows)})`,
                          codec:
                            aggregateSpec.pgTypeCodecModifier?.(attribute.codec) ?? attribute.codec,
                          direction,
                        });
                      },
                    },
                  },
                };
              }
            }
          }
        }
        return { ...values, ...changed };
      },
    },
  },
};

/** A relation as far as it matters here; the library's type knows nothing of most of it. */
interface Relation {
  readonly remoteResource: PgResource;
  readonly localAttributes: readonly string[];
  readonly remoteAttributes: readonly string[];
  readonly isReferencee?: boolean;
  readonly isUnique: boolean;
}

/** The rows that belong to another one, as a table and its condition. */
function related(relation: Relation, row: SQL, rows: OrderedRows): SQL {
  const { from, name } = relation.remoteResource;
  if (typeof from === "function") throw new Error(`${name} is no table`);
  const conditions = relation.localAttributes.map((local, i) => {
    const remote = sql.identifier(relation.remoteAttributes[i] ?? "");
    return sql`${row}.${remote} = ${rows.alias}.${sql.identifier(local)}`;
  });
  return sql`${from} as ${row} where ${sql.join(conditions, " and ")}`;
}
