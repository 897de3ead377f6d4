import type { PgCodec, PgCondition } from "postgraphile/@dataplan/pg";
import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import type { SQL } from "postgraphile/pg-sql2";

/**
 * `notIn` and `notInInsensitive` search their list by a hash. The filter plugin compares each row with each
 * element, which takes time proportional to the list times the table.
 *
 * `in` is unchanged: an index may serve it, and PostgreSQL builds a hash of a list that is constant in the
 * plan.
 */
export const ListFiltersPlugin: GraphileConfig.Plugin = {
  name: "CrmListFiltersPlugin",
  version: "1.0.0",
  description: "Makes the filters notIn take linear time.",
  after: ["PgConnectionArgFilterOperatorsPlugin"],
  schema: {
    hooks: {
      GraphQLInputObjectType_fields_field(field, build, { scope }) {
        const { isPgConnectionFilterOperator, fieldName } = scope;
        if (!isPgConnectionFilterOperator || !negations.has(fieldName)) return field;
        const {
          sql,
          dataplanPg: { listOfCodec, sqlValueWithCodec, TYPES },
        } = build;
        const isInsensitive = fieldName === "notInInsensitive";
        const { apply }: GrafastInputFieldConfig = field;
        const amended: GrafastInputFieldConfig = {
          ...field,
          apply(parent, value: unknown, info) {
            const condition = parent as PgCondition;
            const filtered = condition.extensions.pgFilterAttribute as Filtered | undefined;
            // The original plan refuses a value that is not a list.
            if (!Array.isArray(value) || filtered === undefined) {
              return apply?.(parent, value, info) as unknown;
            }
            const { attribute, attributeName, expression } = filtered;
            const codec = filtered.codec ?? attribute?.codec ?? TYPES.text;
            const column = attribute?.expression
              ? attribute.expression(condition.alias)
              : attributeName === undefined
                ? (expression ?? condition.alias)
                : sql`${condition.alias}.${sql.identifier(attributeName)}`;
            const list = sqlValueWithCodec(
              value,
              listOfCodec(isInsensitive ? TYPES.text : (codec as typeof TYPES.text)),
            );
            const isListed = isInsensitive
              ? sql`lower(${column}::text) = any (select lower(item) from unnest(${list}) as item)`
              : sql`${column} = any (select unnest(${list}))`;
            condition.where(sql`not (${isListed})`);
            return undefined;
          },
        };
        return amended;
      },
    },
  },
};

const negations = new Set(["notIn", "notInInsensitive"]);

/** The data of the filter plugin about the filtered value. */
interface Filtered {
  readonly attributeName?: string;
  readonly attribute?: { codec: PgCodec; expression?: (alias: SQL) => SQL };
  readonly codec?: PgCodec;
  readonly expression?: SQL;
}
