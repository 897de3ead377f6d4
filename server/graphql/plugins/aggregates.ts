import type {} from "@graphile/pg-aggregates";
import { TYPES, type PgSelectSingleStep } from "postgraphile/@dataplan/pg";
import { sql } from "postgraphile/pg-sql2";

/**
 * What a CRM asks for. The deviations and variances that the preset offers too would only fill the
 * schema.
 */
const offered = new Set<string>(["sum", "distinctCount", "min", "max", "average"]);

const periods = ["week", "month", "quarter", "year"] as const;

/**
 * Aggregates as a CRM needs them: the number of rows in each group (the preset has `distinctCount`
 * only, which sorts), earliest and latest of dates, and groups by week, month, quarter and year.
 */
export const AggregatesPlugin: GraphileConfig.Plugin = {
  name: "CrmAggregatesPlugin",
  version: "1.0.0",
  description: "Adds `count`, minimum and maximum of dates, and groups by periods of time.",
  after: ["PgAggregatesSpecsPlugin"],
  schema: {
    hooks: {
      build(build) {
        const { pgAggregateSpecs = [], pgAggregateGroupBySpecs = [] } = build;
        build.pgAggregateSpecs = pgAggregateSpecs
          .filter(({ id }) => offered.has(id))
          .map((spec) =>
            spec.id === "min" || spec.id === "max"
              ? {
                  ...spec,
                  isSuitableType: (codec) =>
                    codec === TYPES.date ||
                    codec === TYPES.timestamptz ||
                    spec.isSuitableType(codec),
                }
              : spec,
          );
        for (const period of periods) {
          const unit = sql.literal(period);
          pgAggregateGroupBySpecs.push(
            {
              id: `truncated-to-${period}`,
              isSuitableType: (codec) => codec === TYPES.date,
              sqlWrap: (date) => sql`date_trunc(${unit}, ${date}::timestamp)::date`,
              sqlWrapCodec: (codec) => codec,
            },
            {
              id: `truncated-to-${period}`,
              isSuitableType: (codec) => codec === TYPES.timestamptz,
              sqlWrap: (time) => sql`date_trunc(${unit}, ${time})`,
              sqlWrapCodec: (codec) => codec,
            },
          );
        }
        return build;
      },
      GraphQLObjectType_fields(fields, build, context) {
        const { scope, fieldWithHooks } = context;
        if (!scope.isPgAggregateContainerType) return fields;
        const { GraphQLInt, GraphQLNonNull } = build.graphql;
        const count = fieldWithHooks(
          { fieldName: "count" },
          {
            description: "The number of rows that match, in this group or in all.",
            type: new GraphQLNonNull(GraphQLInt),
            plan: ($rows: PgSelectSingleStep) => $rows.select(sql`count(*)`, TYPES.bigint, false),
          },
        );
        return build.extend(fields, { count }, "Adding count to the aggregates");
      },
    },
  },
};
