import { TYPES } from "postgraphile/@dataplan/pg";

/** Bookkeeping of the product: adding it up tells nothing. */
const uncounted = new Set(["version", "position", "external_ids"]);

/**
 * What the schema offers beyond what grants decide. Grants say who may do what, and so which fields
 * an input has; this leaves out what nobody would look for, and lets in filters on JSON, which are
 * containment.
 */
export const BehaviorsPlugin: GraphileConfig.Plugin = {
  name: "CrmBehaviorsPlugin",
  version: "1.0.0",
  description: "Leaves out noise: writes by other keys than the primary one, sums of bookkeeping.",
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
