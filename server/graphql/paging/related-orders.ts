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
 * Orders rows by the label of the row that they reference: contacts by the name of their company,
 * `COMPANY_NAME_ASC`. The smart tag `@label` of a table names its label columns. If there are two, there is
 * also an order by both: `CONTACT_NAME_ASC` is by last name, then by first name.
 *
 * A row that references one of several tables has an order by the label of any: `ENTITY_LABEL_ASC`.
 */
export const RelatedOrdersPlugin: GraphileConfig.Plugin = {
  name: "CrmRelatedOrdersPlugin",
  version: "1.0.0",
  description: "Orders rows by the label of the row that they reference.",
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
            add(`${field}-${column}`, `By the ${words(column)} of the ${one}.`, (rows) => [
              labelIn(rows, resource as PgResource, relationName, relation, column),
            ]);
          }
          if (columns.length < 2) continue;
          add(
            `${field}-name`,
            `By the ${columns.map(words).join(", then the ")} of the ${one}.`,
            (rows) =>
              columns.map((column) =>
                labelIn(rows, resource as PgResource, relationName, relation, column),
              ),
          );
        }
        if (labelled.length > 1 && "entity_type" in resource.codec.attributes) {
          add("entity-label", "By the name or title of the contact, company or deal.", (rows) => {
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
        return build.extend(values, added, "Adding orders by referenced rows");
      },
    },
  },
};

interface By {
  fragment: SQL;
  nullable: boolean;
}

/** Returns the label columns of the table that a relation references. */
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
