import { type PgCodec, TYPES } from "postgraphile/@dataplan/pg";

import { without } from "../shape/behaviors.ts";

/** Operators that compare by an order, also those of the elements of a list. */
const byOrder = /^(any)?(less|greater)Than/i;

/** Values whose order in the database says nothing. */
const orderless = new Set<unknown>([TYPES.boolean, TYPES.json, TYPES.jsonb, TYPES.uuid]);

/** Functions whose lists are short, or have an argument for what they would be filtered by. */
const unfiltered = new Set([
  "check_custom_field_rule",
  "companies_duplicates",
  "contacts_duplicates",
  "duplicate_groups",
  "find_duplicates",
  "pipeline_as_of",
]);

/**
 * Leaves out filters that nobody needs: comparisons by order of ids, lists, JSON, true and false, and filters
 * on the short lists of some functions.
 */
export const OrderlessPlugin: GraphileConfig.Plugin = {
  name: "CrmOrderlessPlugin",
  version: "1.0.0",
  description: "Leaves out comparisons by order where there is none, and filters on short lists.",
  schema: {
    entityBehavior: {
      pgResource: {
        override: (behavior, resource) =>
          unfiltered.has(resource.extensions?.pg?.name ?? "")
            ? [behavior, ...without("filterProc")]
            : behavior,
      },
    },
    hooks: {
      GraphQLInputObjectType_fields(fields, _build, { scope }) {
        const codecs = (scope.pgConnectionFilterOperators?.pgCodecs ?? []) as readonly PgCodec[];
        const isOrderless = codecs.some(
          (codec) => orderless.has(codec) || codec.arrayOfCodec !== undefined,
        );
        if (!isOrderless) return fields;
        return Object.fromEntries(Object.entries(fields).filter(([name]) => !byOrder.test(name)));
      },
    },
  },
};
