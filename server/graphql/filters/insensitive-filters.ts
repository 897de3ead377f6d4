import type { PgCodec, PgCondition } from "postgraphile/@dataplan/pg";
import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import type { SQL } from "postgraphile/pg-sql2";

/**
 * `equalToInsensitive` and similar filters fold case by a fixed collation. The filter plugin uses the
 * collation of the database, which for the locale C folds ASCII only: "ромашка" would not find РОМАШКА.
 *
 * The labels of entities have indexes of their folded text, which answer these filters by the whole text and
 * by its beginning; also `startsWith`, which is narrowed down by the folded beginning first.
 *
 * `greaterThanInsensitive` and similar filters still compare in the order of the database, like `orderBy`.
 */
export const InsensitiveFiltersPlugin: GraphileConfig.Plugin = {
  name: "CrmInsensitiveFiltersPlugin",
  version: "1.0.0",
  description:
    "Makes filters that ignore case support every script, with any locale of the database.",
  after: ["PgConnectionArgFilterOperatorsPlugin", "CrmListFiltersPlugin"],
  schema: {
    hooks: {
      GraphQLInputObjectType_fields_field(field, build, { scope }) {
        const { isPgConnectionFilterOperator, fieldName } = scope;
        const compare = comparisons[fieldName];
        const isExact = fieldName === "startsWith";
        if (!isPgConnectionFilterOperator || !(compare ?? isExact)) return field;
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
            // The original plan refuses or ignores null.
            if (value == null || column === undefined) {
              return apply?.(parent, value, info) as unknown;
            }
            const textOf = (begin = "", end = "") =>
              sqlValueWithCodec(`${begin}${build.escapeLikeWildcards(value)}${end}`, TYPES.text);
            if (compare === undefined) {
              apply?.(parent, value, info);
              // The lower case of a sigma depends on what follows, which may be in the column only.
              if (isLabel(condition, build) && typeof value === "string" && !value.includes("Σ")) {
                condition.where(sql`${fold(column)} like ${fold(textOf("", "%"))}`);
              }
              return undefined;
            }
            const { operator, before, after, isNegated, ofList } = compare;
            const isText = before !== undefined || after !== undefined;
            const compared =
              ofList === true
                ? sql`${fold(column)} = any (
                    select ${fold(sql`item`)}
                    from unnest(${sqlValueWithCodec(value, listOfCodec(TYPES.text))}) as item
                  )`
                : sql`${fold(column)} ${operators[operator](sql)} ${fold(
                    isText ? textOf(before, after) : sqlValueWithCodec(value, TYPES.text),
                  )}`;
            condition.where(isNegated === true ? sql`not (${compared})` : compared);
            return undefined;
          },
        };
        return amended;
      },
    },
  },
};

/** Returns whether a filter is about a column that the smart tag `@label` of its table names. */
function isLabel(condition: PgCondition, { pgResources }: GraphileBuild.Build): boolean {
  const filtered = condition.extensions.pgFilterAttribute as Filtered | undefined;
  const { attributeName: name, attribute } = filtered ?? {};
  return Object.values(pgResources).some(({ codec: { attributes, extensions } }) => {
    const label: unknown = extensions?.tags?.label;
    return (
      typeof label === "string" &&
      name !== undefined &&
      label.split(" ").includes(name) &&
      attributes[name] === attribute
    );
  });
}

type Sql = (typeof import("postgraphile/pg-sql2"))["sql"];

const operators = {
  like: (sql: Sql) => sql`like`,
  equal: (sql: Sql) => sql`=`,
  distinct: (sql: Sql) => sql`is distinct from`,
  same: (sql: Sql) => sql`is not distinct from`,
  less: (sql: Sql) => sql`<`,
  atMost: (sql: Sql) => sql`<=`,
  greater: (sql: Sql) => sql`>`,
  atLeast: (sql: Sql) => sql`>=`,
};

/** How a filter compares its value with a column. */
interface Comparison {
  readonly operator: keyof typeof operators;
  readonly isNegated?: boolean;
  /** Whether its value is a list, of which one item must be equal. */
  readonly ofList?: boolean;
  /** The parts of the pattern before and after its value, which is a text. Without them, it is a pattern itself. */
  readonly before?: string;
  readonly after?: string;
}

const positive: Readonly<Record<string, Comparison>> = {
  includesInsensitive: { operator: "like", before: "%", after: "%" },
  startsWithInsensitive: { operator: "like", after: "%" },
  endsWithInsensitive: { operator: "like", before: "%" },
  likeInsensitive: { operator: "like" },
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

/** The data of the filter plugin about the filtered value. */
interface Filtered {
  readonly attributeName?: string;
  readonly attribute?: { codec: PgCodec; expression?: (alias: SQL) => SQL };
  readonly expression?: SQL;
}

/** Returns the value that a filter is about; undefined without data of the filter plugin. */
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
