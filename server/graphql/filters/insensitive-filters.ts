import type { PgCodec, PgCondition } from "postgraphile/@dataplan/pg";
import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import type { SQL } from "postgraphile/pg-sql2";

/**
 * `equalToInsensitive` and its kin fold case by a fixed collation. The filter plugin leaves it to that of
 * the database, which for the locale C knows ASCII only: "ромашка" would not find РОМАШКА.
 *
 * What is greater is still decided by the database's own order, as in `orderBy`.
 */
export const InsensitiveFiltersPlugin: GraphileConfig.Plugin = {
  name: "CrmInsensitiveFiltersPlugin",
  version: "1.0.0",
  description: "Lets filters that ignore case know every script, whatever the database's locale.",
  after: ["PgConnectionArgFilterOperatorsPlugin", "CrmListFiltersPlugin"],
  schema: {
    hooks: {
      GraphQLInputObjectType_fields_field(field, build, { scope }) {
        const { isPgConnectionFilterOperator, fieldName } = scope;
        const compare = comparisons[fieldName];
        if (!isPgConnectionFilterOperator || compare === undefined) return field;
        const {
          sql,
          dataplanPg: { listOfCodec, sqlValueWithCodec, TYPES },
        } = build;
        const { apply }: GrafastInputFieldConfig = field;
        const fold = (text: SQL) =>
          sql`(lower((${text})::text collate crm_private.folding) collate "default")`;
        const amended: GrafastInputFieldConfig = {
          ...field,
          apply(parent, value: unknown, info) {
            const condition = parent as PgCondition;
            const column = columnOf(condition, build);
            // What has no value is refused, or left out, as it was.
            if (value == null || column === undefined) {
              return apply?.(parent, value, info) as unknown;
            }
            const { operator, before = "", after = "", isNegated, ofList } = compare;
            const code = operators[operator](sql);
            const compared =
              ofList === true
                ? sql`${fold(column)} = any (
                    select ${fold(sql`item`)}
                    from unnest(${sqlValueWithCodec(value, listOfCodec(TYPES.text))}) as item
                  )`
                : operator === "like"
                  ? sql`(${column})::text collate crm_private.folding ${code} ${sqlValueWithCodec(
                      compare.isPattern
                        ? value
                        : `${before}${build.escapeLikeWildcards(value)}${after}`,
                      TYPES.text,
                    )}`
                  : sql`${fold(column)} ${code} ${fold(sqlValueWithCodec(value, TYPES.text))}`;
            condition.where(isNegated === true ? sql`not (${compared})` : compared);
            return undefined;
          },
        };
        return amended;
      },
    },
  },
};

type Sql = (typeof import("postgraphile/pg-sql2"))["sql"];

const operators = {
  like: (sql: Sql) => sql`ilike`,
  equal: (sql: Sql) => sql`=`,
  distinct: (sql: Sql) => sql`is distinct from`,
  same: (sql: Sql) => sql`is not distinct from`,
  less: (sql: Sql) => sql`<`,
  atMost: (sql: Sql) => sql`<=`,
  greater: (sql: Sql) => sql`>`,
  atLeast: (sql: Sql) => sql`>=`,
};

/** How a filter compares what it is given with a column. */
interface Comparison {
  readonly operator: keyof typeof operators;
  readonly isNegated?: boolean;
  /** Whether it is given a list, one of which is to be equal. */
  readonly ofList?: boolean;
  /** Whether it is given a pattern, and not a text that is a part of one. */
  readonly isPattern?: boolean;
  /** What may stand before the text that is looked for. */
  readonly before?: string;
  readonly after?: string;
}

const positive: Readonly<Record<string, Comparison>> = {
  includesInsensitive: { operator: "like", before: "%", after: "%" },
  startsWithInsensitive: { operator: "like", after: "%" },
  endsWithInsensitive: { operator: "like", before: "%" },
  likeInsensitive: { operator: "like", isPattern: true },
  equalToInsensitive: { operator: "equal" },
  inInsensitive: { operator: "equal", ofList: true },
};

const comparisons: Readonly<Record<string, Comparison | undefined>> = {
  ...positive,
  ...Object.fromEntries(
    Object.entries(positive).map(([name, comparison]) => [
      `not${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      { ...comparison, isNegated: true },
    ]),
  ),
  distinctFromInsensitive: { operator: "distinct" },
  notDistinctFromInsensitive: { operator: "same" },
  lessThanInsensitive: { operator: "less" },
  lessThanOrEqualToInsensitive: { operator: "atMost" },
  greaterThanInsensitive: { operator: "greater" },
  greaterThanOrEqualToInsensitive: { operator: "atLeast" },
};

/** What the filter plugin knows of the value that is filtered by. */
interface Filtered {
  readonly attributeName?: string;
  readonly attribute?: { codec: PgCodec; expression?: (alias: SQL) => SQL };
  readonly expression?: SQL;
}

/** The value that a filter is about; undefined where the filter plugin says nothing of it. */
export function columnOf(
  condition: PgCondition,
  { sql }: Pick<GraphileBuild.Build, "sql">,
): SQL | undefined {
  const filtered = condition.extensions.pgFilterAttribute as Filtered | undefined;
  if (filtered === undefined) return undefined;
  const { attribute, attributeName, expression } = filtered;
  if (attribute?.expression) return attribute.expression(condition.alias);
  if (attributeName !== undefined) return sql`${condition.alias}.${sql.identifier(attributeName)}`;
  return expression ?? condition.alias;
}
