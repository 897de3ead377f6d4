import "@graphile/pg-aggregates";
import type { GraphQLEnumValueConfig } from "graphql";
import {
  TYPES,
  type PgCodec,
  type PgCodecWithAttributes,
  type PgRegistry,
  type PgResource,
} from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { amountsOf, isOperation } from "../aggregates/amounts.ts";
import { untilNow, type OrderedRows } from "./moment.ts";
import { isRelated, relationsOf, tableOf, type Relation } from "./relations.ts";

/**
 * Orders rows by aggregates of the rows that reference them. The library computes the aggregate for the
 * order and again for each comparison with a cursor. Here it is joined, and computed once for each row.
 * Durations that last until now end at the time of the first page; money is in the base currency.
 */
export const AggregateOrdersPlugin: GraphileConfig.Plugin = {
  name: "CrmAggregateOrdersPlugin",
  version: "1.0.0",
  description: "Computes the aggregates of orders once for each row.",
  after: ["PgAggregatesOrderByAggregatesPlugin"],
  schema: {
    hooks: {
      GraphQLEnumType_values(values, build, { scope }) {
        const codec = scope.pgCodec as PgCodecWithAttributes | undefined;
        const resource = scope.isPgRowSortEnum && codec ? build.pgTableResource(codec) : undefined;
        if (!resource) return values;
        const { inflection } = build;
        const changed: Record<string, GraphQLEnumValueConfig> = {};
        const change = (name: string, relation: Relation, aggregate: Aggregate) => {
          for (const direction of ["ASC", "DESC"] as const) {
            const value = values[`${name}_${direction}`];
            if (value === undefined) continue;
            const apply = (rows: OrderedRows) => {
              const { codec: of, nullable } = aggregate;
              const fragment = join(rows, name, relation, aggregate);
              rows.orderBy({ fragment, codec: of, direction, nullable });
            };
            changed[`${name}_${direction}`] = { ...value, extensions: { grafast: { apply } } };
          }
        };
        for (const [relationName, relation] of relationsOf(resource as PgResource)) {
          if (!relation.isReferencee || relation.isUnique) continue;
          const named = {
            ...{ registry: resource.registry as PgRegistry, codec: codec as PgCodec, relationName },
          };
          change(inflection.orderByCountOfManyRelationByKeys(named), relation, {
            ...{ codec: TYPES.bigint, nullable: false, of: () => sql`count(*)` },
          });
          const { attributes = {} } = relation.remoteResource.codec;
          for (const [attributeName, attribute] of Object.entries(attributes)) {
            const lasted = untilNow(attribute);
            const amounts = amountsOf(attributeName, attribute);
            for (const aggregateSpec of build.pgAggregateSpecs) {
              const { pgTypeCodecModifier } = aggregateSpec;
              const name = inflection.orderByAttributeAggregateOfManyRelationByKeys({
                ...{ ...named, attributeName, aggregateSpec },
              });
              change(name, relation, {
                codec: (pgTypeCodecModifier?.(attribute.codec) ?? attribute.codec) as PgCodec,
                nullable: true,
                of(row, rows) {
                  if (amounts !== undefined && isOperation(aggregateSpec.id)) {
                    return amounts.inBaseCurrency(row, aggregateSpec.id, (value) =>
                      aggregateSpec.sqlAggregateWrap(value, attribute.codec),
                    );
                  }
                  const value = sql`${row}.${sql.identifier(attributeName)}`;
                  return aggregateSpec.sqlAggregateWrap(
                    lasted === undefined ? value : lasted(row, rows.now()),
                    attribute.codec,
                  );
                },
              });
            }
          }
        }
        return { ...values, ...changed };
      },
    },
  },
};

/** An aggregate of the rows that reference another row. */
interface Aggregate {
  readonly codec: PgCodec;
  readonly nullable: boolean;
  of(row: SQL, rows: OrderedRows): SQL;
}

function join(rows: OrderedRows, name: string, relation: Relation, aggregate: Aggregate): SQL {
  const row = sql.identifier(Symbol("related"));
  const aggregated = rows.joined(name, {
    type: "left",
    lateral: true,
    from: sql`(
      select ${aggregate.of(row, rows)} as value
      from ${tableOf(relation)} as ${row}
      where ${isRelated(relation, rows.alias, row)}
    )`,
  });
  return sql`${aggregated}.value`;
}
