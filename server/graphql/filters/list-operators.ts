import type { PgCodecAttribute, PgCondition } from "postgraphile/@dataplan/pg";
import type { GrafastInputFieldConfig } from "postgraphile/grafast";
import type { SQL } from "postgraphile/pg-sql2";

/**
 * `containsInsensitive`, `anyEqualToInsensitive` and `anyIncludesInsensitive` search lists regardless of case.
 * The domain of an email address matches in both forms, `köln.de` and `xn--kln-sna.de`. Phone numbers match
 * in any notation.
 *
 * Addresses and numbers are found by the index of match keys, and their parts by those of trigrams, in a
 * separate subquery. Otherwise, with an order and a limit, PostgreSQL would scan the index of the order,
 * because it overestimates the matches. For the same reason `contains`, `overlaps` and `anyEqualTo` find
 * addresses, and numbers by their match keys, in a subquery.
 */
export const ListOperatorsPlugin: GraphileConfig.Plugin = {
  name: "CrmListOperatorsPlugin",
  version: "1.0.0",
  description:
    "Adds filters on lists of strings that ignore case, and finds addresses by an index.",
  after: ["PgConnectionArgFilterOperatorsPlugin"],
  schema: {
    hooks: {
      init(_, build) {
        const {
          sql,
          dataplanPg: { listOfCodec, TYPES },
          graphql: { GraphQLList, GraphQLNonNull, GraphQLString },
        } = build;
        const listCodec = listOfCodec(TYPES.text, { extensions: { listItemNonNull: true } });

        const among = (condition: PgCondition, matches: (other: SQL) => SQL) =>
          amongContacts(build, condition, matches);
        /** As `among`, for conditions that may match many contacts: their ids are hashed or looked up. */
        const amongMany = (condition: PgCondition, matches: (other: SQL) => SQL): SQL => {
          const other = sql.identifier(Symbol("contact"));
          return sql`${condition.alias}.id in (select unnest(array(
            select ${other}.id from crm.contacts as ${other} where ${matches(other)}
          )))`;
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

        /** Returns the condition that an item of the list includes a text. */
        const includes = (list: SQL, value: SQL, input: string, condition: PgCondition): SQL => {
          const column = attributeOf(condition);
          const itemIncludes = (text: SQL, form: (item: SQL) => SQL) =>
            sql`exists (
              select from unnest(${text}) as item where strpos(${form(sql`item`)}, ${form(value)}) > 0
            )`;
          const like = (text: SQL) =>
            sql`'%' || regexp_replace(${text}, '([\\\\%_])', '\\\\\\1', 'g') || '%'`;
          if (input !== "" && column === "emails") {
            const plain = (item: SQL) => sql`crm_private.plain_email(${item})`;
            return amongMany(
              condition,
              (other) => sql`crm_private.email_words(${other}.emails) like ${like(plain(value))}
                and ${itemIncludes(sql`${other}.emails`, plain)}`,
            );
          }
          if (/\p{Nd}/u.test(input) && column === "phones") {
            const digits = (item: SQL) =>
              sql`regexp_replace(crm_private.ascii_digits(${item}), '[^0-9]+', '', 'g')`;
            return amongMany(
              condition,
              (other) => sql`
                crm_private.contact_name_words(
                  ${other}.first_name, ${other}.last_name, ${other}.phones
                ) like '%' || ${digits(value)} || '%'
                and ${itemIncludes(sql`${other}.phones`, digits)}`,
            );
          }
          const fold = (item: SQL) => sql`lower(${item} collate crm_private.folding)`;
          return itemIncludes(list, fold);
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
        build.addConnectionFilterOperator("StringList", "anyIncludesInsensitive", {
          description:
            "Any array item contains the specified text (case-insensitive). Of phone numbers the digits " +
            "are compared, if the text has any.",
          resolveInputCodec: () => TYPES.text,
          resolve: (list, value, input, condition) =>
            includes(list, value, String(input), condition as unknown as PgCondition),
        });
        return _;

        function attributeOf(condition: PgCondition): string | undefined {
          return contactAttributeOf(build, condition);
        }
      },

      GraphQLInputObjectType_fields_field(field, build, { Self, scope }) {
        const { isPgConnectionFilterOperator, fieldName } = scope;
        const operator = operators[fieldName];
        if (!isPgConnectionFilterOperator || Self.name !== "StringListFilter" || !operator) {
          return field;
        }
        const {
          sql,
          dataplanPg: { listOfCodec, sqlValueWithCodec, TYPES },
        } = build;
        const { apply }: GrafastInputFieldConfig = field;
        const amended: GrafastInputFieldConfig = {
          ...field,
          apply(parent, value: unknown, info) {
            const condition = parent as PgCondition;
            const column = contactAttributeOf(build, condition);
            const values = Array.isArray(value) ? value : value == null ? [] : [value];
            if (values.length === 0 || !(column === "emails" || column === "phones")) {
              return apply?.(parent, value, info) as unknown;
            }
            const list = sqlValueWithCodec(values, listOfCodec(TYPES.text));
            condition.where(
              amongContacts(build, condition, (other) => {
                const code = operator === "contains" ? sql`@>` : sql`&&`;
                const isMatch = sql`${other}.${sql.identifier(column)} ${code} ${list}`;
                return column === "emails"
                  ? isMatch
                  : sql`${other}.match_keys && crm_private.phone_keys(${list}) and ${isMatch}`;
              }),
            );
            return undefined;
          },
        };
        return amended;
      },
    },
  },
};

/** The operators of lists that these indexes answer. */
const operators: Readonly<Record<string, "contains" | "overlaps" | undefined>> = {
  contains: "contains",
  overlaps: "overlaps",
  anyEqualTo: "contains",
};

/** Returns the condition that a contact is among those that match. */
function amongContacts(
  { sql }: GraphileBuild.Build,
  condition: PgCondition,
  matches: (other: SQL) => SQL,
): SQL {
  const other = sql.identifier(Symbol("contact"));
  return sql`${condition.alias}.id = any (array(
    select ${other}.id from crm.contacts as ${other} where ${matches(other)}
  ))`;
}

/** Returns the column of contacts that a filter is about; undefined for other tables. */
function contactAttributeOf(
  build: GraphileBuild.Build,
  condition: PgCondition,
): string | undefined {
  const filtered = condition.extensions.pgFilterAttribute as
    { attributeName?: string; attribute?: PgCodecAttribute } | undefined;
  const name = filtered?.attributeName;
  const attributes = build.pgResources.contacts?.codec.attributes;
  return name !== undefined && attributes?.[name] === filtered?.attribute ? name : undefined;
}

function lengthOf(input: unknown): number {
  return Array.isArray(input) ? input.length : 0;
}
