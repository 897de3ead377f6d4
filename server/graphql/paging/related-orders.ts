import type { GraphQLEnumValueConfig } from "graphql";
import {
  TYPES,
  type PgCodecWithAttributes,
  type PgRegistry,
  type PgResource,
} from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import type { OrderedRows } from "./moment.ts";
import { isRelated, relationsOf, tableOf, type Relation } from "./relations.ts";

/**
 * Rows can be ordered by what they belong to: contacts by the name of their company, `COMPANY_NAME_ASC`.
 * A table names the columns by which people know its rows by the smart tag `@label`. Those of two columns
 * have one order by both, too: `CONTACT_NAME_ASC` is by last name, then by first name.
 *
 * What hangs on one of several tables has an order by whichever it is: `ENTITY_LABEL_ASC`.
 */
export const RelatedOrdersPlugin: GraphileConfig.Plugin = {
  name: "CrmRelatedOrdersPlugin",
  version: "1.0.0",
  description: "Orders by the label of what a row belongs to.",
  schema: {
    hooks: {
      GraphQLEnumType_values(values, build, { scope }) {
        const codec = scope.pgCodec as PgCodecWithAttributes | undefined;
        const resource = scope.isPgRowSortEnum && codec ? build.pgTableResource(codec) : undefined;
        if (!resource) return values;
        const added: Record<string, GraphQLEnumValueConfig> = {};
        const add = (name: string, description: string, orders: (rows: OrderedRows) => By[]) => {
          for (const direction of ["ASC", "DESC"] as const) {
            added[build.inflection.constantCase(`${name}-${direction}`)] = {
              description,
              extensions: {
                grafast: {
                  apply(rows: OrderedRows) {
                    for (const { fragment, nullable } of orders(rows)) {
                      rows.orderBy({ fragment, codec: TYPES.text, direction, nullable });
                    }
                  },
                },
              },
            };
          }
        };

        const labelled = relationsOf(resource as PgResource).filter(
          ([, relation]) => !relation.isReferencee && labelOf(relation).length > 0,
        );
        for (const [relationName, relation] of labelled) {
          const registry = resource.registry as PgRegistry;
          const field = build.inflection.singleRelation({
            registry,
            codec: resource.codec,
            relationName,
          });
          const columns = labelOf(relation);
          const one = build.inflection
            .tableType(relation.remoteResource.codec as PgCodecWithAttributes)
            .toLowerCase();
          const words = (column: string) => column.replaceAll("_", " ");
          for (const column of columns) {
            add(`${field}-${column}`, `By the ${words(column)} of its ${one}.`, (rows) => [
              labelIn(rows, resource as PgResource, relationName, relation, column),
            ]);
          }
          if (columns.length < 2) continue;
          add(
            `${field}-name`,
            `By the ${columns.map(words).join(", then the ")} of its ${one}.`,
            (rows) =>
              columns.map((column) =>
                labelIn(rows, resource as PgResource, relationName, relation, column),
              ),
          );
        }
        if (labelled.length > 1 && "entity_type" in resource.codec.attributes) {
          add("entity-label", "By the name or title of what it is about.", (rows) => {
            const labels = labelled.map(([relationName, relation]) => {
              const columns = [...labelOf(relation)].reverse();
              const parts = columns.map(
                (column) =>
                  labelIn(rows, resource as PgResource, relationName, relation, column).fragment,
              );
              return sql`(${sql.join(parts, " || ' ' || ")})`;
            });
            return [{ fragment: sql`coalesce(${sql.join(labels, ", ")})`, nullable: true }];
          });
        }
        return build.extend(values, added, "Adding orders by what a row belongs to");
      },
    },
  },
};

interface By {
  fragment: SQL;
  nullable: boolean;
}

/** The columns by which people know the rows that a relation leads to. */
function labelOf({ remoteResource }: Relation): string[] {
  const { label } = remoteResource.codec.extensions?.tags ?? {};
  return typeof label === "string" ? label.split(" ") : [];
}

function labelIn(
  rows: OrderedRows,
  { codec }: PgResource,
  relationName: string,
  relation: Relation,
  column: string,
): By {
  const nullable = !relation.localAttributes.every((name) => codec.attributes?.[name]?.notNull);
  const other = rows.joined(relationName, {
    type: nullable ? "left" : "inner",
    from: tableOf(relation),
    condition: (alias) => isRelated(relation, rows.alias, alias),
  });
  return { fragment: sql`${other}.${sql.identifier(column)}`, nullable };
}
