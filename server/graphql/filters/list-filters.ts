import type { PgCodec, PgCondition } from "postgraphile/@dataplan/pg";
import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import type { SQL } from "postgraphile/pg-sql2";

/**
 * `notIn` and its like look each row's value up in a hash of their list. The filter plugin compares it
 * with each element instead, which takes time that grows with the list times the table.
 *
 * `in` is left as it is: an index may serve it, and PostgreSQL makes a hash of a list that it knows
 * when it plans.
 */
export const ListFiltersPlugin: GraphileConfig.Plugin = {
  name: "CrmListFiltersPlugin",
  version: "1.0.0",
  description: "Makes filters by what is not in a list linear.",
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
            // What is not a list is refused as it was.
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

/** What the filter plugin knows of the value that is filtered by. */
interface Filtered {
  readonly attributeName?: string;
  readonly attribute?: { codec: PgCodec; expression?: (alias: SQL) => SQL };
  readonly codec?: PgCodec;
  readonly expression?: SQL;
}
