import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import { sql } from "postgraphile/pg-sql2";
import type { PgCondition } from "postgraphile/@dataplan/pg";

/**
 * `deals: { none: {} }` finds companies without deals, and `some: {}` those with deals. The filter plugin
 * ignores an empty filter on a relation, and would find every company.
 */
export const RelationFiltersPlugin: GraphileConfig.Plugin = {
  name: "CrmRelationFiltersPlugin",
  version: "1.0.0",
  description: "Lets `some` and `none` filter by existence.",
  schema: {
    hooks: {
      GraphQLInputObjectType_fields_field(field, _build, { scope }) {
        const { apply }: GrafastInputFieldConfig = field;
        if (!scope.isPgConnectionFilterManyField || scope.fieldName === "every" || !apply) {
          return field;
        }
        const amended: GrafastInputFieldConfig = {
          ...field,
          apply(...details) {
            const related = apply(...details) as PgCondition | undefined;
            related?.where(sql`true`);
            return related;
          },
        };
        return amended;
      },
    },
  },
};
