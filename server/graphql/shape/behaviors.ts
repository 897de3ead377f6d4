import { TYPES } from "postgraphile/@dataplan/pg";

/** Columns whose aggregates are meaningless, and those among them whose values are groups. */
const uncounted = new Set(["id", "entry_id", "version", "position", "external_ids"]);
const grouped = new Set(["version", "position"]);

/** Columns whose sum is meaningless. */
const unsummed = new Set(["probability", "transaction_id"]);

/** Tables and views whose rows are settings, not records: their aggregates are meaningless. */
const unaggregated = new Set([
  "api_keys",
  "custom_field_definitions",
  "exchange_rates",
  "pipeline_stages",
  "trash",
]);

/**
 * Shapes the schema beyond the grants, which decide who may do what, and so which fields an input has.
 * Removes fields without a use: writes by unique keys other than the primary key, meaningless aggregates.
 * Adds filters on JSON, by containment.
 */
export const BehaviorsPlugin: GraphileConfig.Plugin = {
  name: "CrmBehaviorsPlugin",
  version: "1.0.0",
  description: "Removes writes by keys other than the primary one, and meaningless aggregates.",
  schema: {
    entityBehavior: {
      pgResource: {
        override: (behavior, resource) =>
          unaggregated.has(resource.extensions?.pg?.name ?? "")
            ? [behavior, ...without("resource:aggregates", "resource:groupedAggregates")]
            : behavior,
      },
      pgResourceUnique: {
        override(behavior, [, unique]) {
          return unique.isPrimary
            ? behavior
            : [behavior, "-constraint:resource:update", "-constraint:resource:delete"];
        },
      },
      pgCodecRelation: {
        override: (behavior) => [
          behavior,
          "-distinctCount:manyRelation:aggregates:orderBy",
          "-average:manyRelation:aggregates:orderBy",
        ],
      },
      pgCodecAttribute: {
        override(behavior, [codec, attributeName]) {
          if (uncounted.has(attributeName)) {
            const isGrouped = grouped.has(attributeName);
            return [
              ...(isGrouped ? [behavior] : [behavior, "-attribute:groupBy" as const]),
              ...(["-aggregate", "-aggregate:orderBy", "-aggregate:filterBy"] as const),
            ];
          }
          if (unsummed.has(attributeName)) {
            return [
              behavior,
              ...without("sum:attribute:aggregate", "sum:attribute:aggregate:orderBy"),
            ];
          }
          return codec.attributes[attributeName]?.codec === TYPES.jsonb
            ? [behavior, "attribute:filterBy", "-attribute:groupBy"]
            : behavior;
        },
      },
    },
  },
};

/** Negates behaviors. The types of the library lack many of the negated ones. */
export function without(...behaviors: string[]) {
  return behaviors.map((behavior) => `-${behavior}` as GraphileBuild.BehaviorString);
}
