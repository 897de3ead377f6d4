/** Bookkeeping of the product: adding it up tells nothing. */
const uncounted = new Set(["version", "position"]);

/**
 * What the schema offers beyond what grants decide. Grants say who may do what, and so which fields an input has; this
 * only leaves out what nobody would look for.
 */
export const BehaviorsPlugin: GraphileConfig.Plugin = {
  name: "CrmBehaviorsPlugin",
  version: "1.0.0",
  description: "Updates and deletes by primary key only; no sums of bookkeeping columns.",
  schema: {
    entityBehavior: {
      pgResourceUnique: {
        override(behavior, [, unique]) {
          return unique.isPrimary
            ? behavior
            : [behavior, "-constraint:resource:update", "-constraint:resource:delete"];
        },
      },
      pgCodecAttribute: {
        override(behavior, [, attributeName]) {
          return uncounted.has(attributeName) ? [behavior, "-aggregate"] : behavior;
        },
      },
    },
  },
};

declare global {
  namespace GraphileBuild {
    interface BehaviorStrings {
      /** Registered by pg-aggregates, which leaves it out of its types. */
      aggregate: true;
    }
  }
}
