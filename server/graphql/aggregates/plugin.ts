import type { AggregateGroupBySpec } from "@graphile/pg-aggregates";
import { TYPES, type PgSelectSingleStep } from "postgraphile/@dataplan/pg";
import { sql } from "postgraphile/pg-sql2";

/**
 * What a CRM asks for. The deviations and variances that the preset offers too would only fill the
 * schema.
 */
const offered = new Set<string>(["sum", "distinctCount", "min", "max", "average"]);

const periods = ["week", "month", "quarter", "year"] as const;

/** What the preset truncates to by itself, in the time zone of the connection. */
const shortPeriods = ["hour", "day"] as const;

/** The time zone of the request, else of the installation: asked once for a statement. */
const zone = sql`(select crm.time_zone())`;

/** An instant that is the beginning of a period, as the clock of the zone shows it, with its offset. */
const periodStart: typeof TYPES.timestamptz = {
  ...TYPES.timestamptz,
  castFromPg(instant) {
    const local = sql`(${instant} at time zone ${zone})`;
    const offset = sql`(${local} - ${instant} at time zone 'UTC')`;
    return sql`(to_char(${local}, 'YYYY-MM-DD"T"HH24:MI:SS.US') || case
      when ${offset} < interval '0' then '-' || to_char(- ${offset}, 'HH24:MI')
      else '+' || to_char(${offset}, 'HH24:MI')
    end)`;
  },
};

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
        build.pgAggregateGroupBySpecs = [
          ...pgAggregateGroupBySpecs.filter(
            ({ id }) => !shortPeriods.some((period) => id === `truncated-to-${period}`),
          ),
          ...periods.map((period): AggregateGroupBySpec => ({
            id: `truncated-to-${period}`,
            isSuitableType: (codec) => codec === TYPES.date,
            sqlWrap: (date) => sql`date_trunc(${sql.literal(period)}, ${date}::timestamp)::date`,
            sqlWrapCodec: (codec) => codec,
          })),
          ...[...shortPeriods, ...periods].map((period): AggregateGroupBySpec => ({
            id: `truncated-to-${period}`,
            isSuitableType: (codec) => codec === TYPES.timestamptz,
            sqlWrap: (time) => sql`date_trunc(${sql.literal(period)}, ${time}, ${zone})`,
            sqlWrapCodec: () => periodStart,
          })),
        ];
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
