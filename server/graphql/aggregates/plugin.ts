import type { AggregateGroupBySpec } from "@graphile/pg-aggregates";
import { type GraphQLInputFieldConfig, GraphQLObjectType } from "graphql";
import { type PgCodec, TYPES, type PgSelectSingleStep } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

/**
 * The aggregates that a CRM uses. The deviations and variances that the preset also offers would enlarge
 * the schema.
 */
const offered = new Set<string>(["sum", "distinctCount", "min", "max", "average"]);

const periods = ["week", "month", "quarter", "year"] as const;

/** The periods of the preset, which uses the time zone of the connection. */
const shortPeriods = ["hour", "day"] as const;

/** The time zone of the request, or of the installation; evaluated once for a statement. */
const zone = sql`(select crm.time_zone())`;

/** The instant at which a period begins, in local time of the zone, with its offset. */
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
 * Returns the average of numbers with two digits more after the point than the numbers have, and without
 * zeros at the end. PostgreSQL returns 16 digits or more, most of which say nothing.
 */
function average(value: SQL, codec: PgCodec): SQL {
  const isNumber = [TYPES.numeric, TYPES.int2, TYPES.int, TYPES.bigint].some(
    (type) => type === codec,
  );
  if (!isNumber) return sql`avg(${value})`;
  return sql`trim_scale(round(avg(${value}), max(scale(${value}::numeric)) + 2))`;
}

/** Returns the number of different values. Texts are sorted by their bytes, in half the time. */
function distinctCount(value: SQL, codec: PgCodec): SQL {
  const isText = (codec.arrayOfCodec ?? codec) === TYPES.text;
  return isText ? sql`count(distinct ${value} collate "C")` : sql`count(distinct ${value})`;
}

/** The aggregates whose SQL is ours. */
const wraps: Readonly<Record<string, (value: SQL, codec: PgCodec) => SQL>> = {
  average,
  distinctCount,
};

/**
 * Adds the number of rows of each group (the preset only has `distinctCount`, which sorts), the minimum and
 * maximum of dates, and groups by week, month, quarter and year. Conditions on an aggregate exist only where
 * the aggregate does.
 */
export const AggregatesPlugin: GraphileConfig.Plugin = {
  name: "CrmAggregatesPlugin",
  version: "1.0.0",
  description:
    "Adds `count`, minimum and maximum of dates, and groups by periods of time; rounds averages.",
  after: ["PgAggregatesSpecsPlugin"],
  schema: {
    hooks: {
      build(build) {
        const { pgAggregateSpecs = [], pgAggregateGroupBySpecs = [] } = build;
        build.pgAggregateSpecs = pgAggregateSpecs
          .filter(({ id }) => offered.has(id))
          .map((spec) => ({ ...spec, sqlAggregateWrap: wraps[spec.id] ?? spec.sqlAggregateWrap }))
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
      GraphQLInputObjectType_fields(fields, build, { Self }) {
        const aggregate = Self.name.replace(/Having(\w+)Input$/, "$1Aggregates");
        if (aggregate === Self.name || Self.name.endsWith("HavingInput")) return fields;
        const type = build.getTypeByName(aggregate);
        const offers = type instanceof GraphQLObjectType ? type.getFields() : {};
        // The library would compare a number of different times with a time.
        const isCount = aggregate.endsWith("DistinctCountAggregates");
        const isTime = ({ type }: GraphQLInputFieldConfig) => String(type).includes("Date");
        return Object.fromEntries(
          Object.entries(fields).filter(
            ([name, field]) => name in offers && !(isCount && isTime(field)),
          ),
        );
      },
      GraphQLObjectType_fields(fields, build, context) {
        const { scope, fieldWithHooks } = context;
        if (!scope.isPgAggregateContainerType) return fields;
        const { GraphQLInt, GraphQLNonNull } = build.graphql;
        const count = fieldWithHooks(
          { fieldName: "count" },
          {
            description: "The number of matching rows, in the group or on all pages.",
            type: new GraphQLNonNull(GraphQLInt),
            plan: ($rows: PgSelectSingleStep) => $rows.select(sql`count(*)`, TYPES.bigint, false),
          },
        );
        return build.extend(fields, { count }, "Adding count to the aggregates");
      },
    },
  },
};
