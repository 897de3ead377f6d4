import { TYPES } from "postgraphile/@dataplan/pg";

/** Columns whose aggregates are meaningless. */
const uncounted = new Set(["version", "position", "external_ids"]);

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
            const isGrouped = attributeName !== "external_ids";
            return [
              ...(isGrouped ? [behavior] : [behavior, "-attribute:groupBy" as const]),
              ...(["-aggregate", "-aggregate:orderBy", "-aggregate:filterBy"] as const),
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
