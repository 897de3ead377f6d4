import type { PgCodecAttribute, PgCondition } from "postgraphile/@dataplan/pg";
import type { SQL } from "postgraphile/pg-sql2";

/**
 * `containsInsensitive` and `anyEqualToInsensitive` search lists regardless of case. The domain of an email
 * address matches in both forms, `köln.de` and `xn--kln-sna.de`. Phone numbers match in any notation.
 *
 * Addresses and numbers are found by the index of match keys, in a separate subquery. Otherwise, with an
 * order and a limit, PostgreSQL would scan the index of the order, because it overestimates the matches.
 */
export const ListOperatorsPlugin: GraphileConfig.Plugin = {
  name: "CrmListOperatorsPlugin",
  version: "1.0.0",
  description: "Adds filters on lists of strings that ignore case.",
  schema: {
    hooks: {
      init(_, build) {
        const {
          sql,
          dataplanPg: { listOfCodec, TYPES },
          graphql: { GraphQLList, GraphQLNonNull, GraphQLString },
        } = build;
        const listCodec = listOfCodec(TYPES.text, { extensions: { listItemNonNull: true } });

        /** Returns the condition that a contact is among those that match. */
        const among = (condition: PgCondition, matches: (other: SQL) => SQL): SQL => {
          const other = sql.identifier(Symbol("contact"));
          return sql`${condition.alias}.id = any (array(
            select ${other}.id from crm.contacts as ${other} where ${matches(other)}
          ))`;
        };
        const contains = (list: SQL, values: SQL, count: number, condition: PgCondition): SQL => {
          const column = attributeOf(condition);
          if (count > 0 && column === "emails") {
            return among(
              condition,
              (other) => sql`${other}.match_keys @> crm_private.email_keys(${values})`,
            );
          }
          if (count > 0 && column === "phones") {
            return among(
              condition,
              (other) => sql`${other}.match_keys && crm_private.phone_keys(${values})
                and (
                  select bool_and(crm_private.has_phone(
                    ${other}.phones, number, (select crm_private.default_country())
                  ))
                  from unnest(${values}) as number
                )`,
            );
          }
          const fold = (texts: SQL) =>
            sql`array(select lower(item collate crm_private.folding) from unnest(${texts}) as item)`;
          return sql`(${list} is not null and ${fold(list)} @> ${fold(values)})`;
        };

        build.addConnectionFilterOperator("StringList", "containsInsensitive", {
          description:
            "Contains the specified list of values (case-insensitive). Phone numbers match in any " +
            "notation, and email addresses with their domain in Unicode or ASCII form.",
          resolveInputCodec: () => listCodec,
          resolveType: () => new GraphQLList(new GraphQLNonNull(GraphQLString)),
          resolve: (list, values, input, condition) =>
            contains(list, values, lengthOf(input), condition as unknown as PgCondition),
        });
        build.addConnectionFilterOperator("StringList", "anyEqualToInsensitive", {
          description:
            "Any array item is equal to the specified value (case-insensitive). Phone numbers match in " +
            "any notation, and email addresses with their domain in Unicode or ASCII form.",
          resolveInputCodec: () => TYPES.text,
          resolve: (list, value, _input, condition) =>
            contains(list, sql`array[${value}]`, 1, condition as unknown as PgCondition),
        });
        return _;

        /** Returns the column of contacts that a filter is about; undefined for other tables. */
        function attributeOf(condition: PgCondition): string | undefined {
          const filtered = condition.extensions.pgFilterAttribute as
            { attributeName?: string; attribute?: PgCodecAttribute } | undefined;
          const name = filtered?.attributeName;
          const attributes = build.pgResources.contacts?.codec.attributes;
          return name !== undefined && attributes?.[name] === filtered?.attribute
            ? name
            : undefined;
        }
      },
    },
  },
};

function lengthOf(input: unknown): number {
  return Array.isArray(input) ? input.length : 0;
}
