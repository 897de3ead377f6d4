import {
  PgCondition,
  TYPES,
  type PgCodec,
  type PgCodecWithAttributes,
} from "postgraphile/@dataplan/pg";
import { access, type Step } from "postgraphile/grafast";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { without } from "./behaviors.ts";

/** The keys of an address in the database, which are the names of its fields. */
const parts: Record<string, string> = {
  street: "The street and the house number.",
  city: "The city.",
  state: "The state, province or region.",
  postalCode: "The postal code.",
  country: "The country.",
};

/** The parts that have an index; see the table of companies. */
const filtered = ["city", "country"] as const;

/** The codec of columns with the tag `@postalAddress`. */
const addressCodec = { ...TYPES.jsonb, name: "address" } as unknown as PgCodec;

/** The columns of the conditions on addresses. */
const columns = new WeakMap<PgCondition, SQL>();

/**
 * Makes a postal address, which the database stores as JSON, an object type with a field for each part, and
 * lists filterable by the parts that have an index.
 */
export const AddressPlugin: GraphileConfig.Plugin = {
  name: "CrmAddressPlugin",
  version: "1.0.0",
  description: "Makes a postal address an object with a field for each part.",
  gather: {
    hooks: {
      pgCodecs_attribute(_info, { attribute }) {
        if (attribute.extensions?.tags?.postalAddress) attribute.codec = addressCodec;
      },
    },
  },
  schema: {
    entityBehavior: {
      pgCodecAttribute: {
        override: (behavior, [codec, attributeName]) =>
          codec.attributes[attributeName]?.codec === addressCodec
            ? [
                behavior,
                ...without(
                  "attribute:filterBy",
                  "attribute:orderBy",
                  "attribute:groupBy",
                  "attribute:aggregate",
                ),
              ]
            : behavior,
      },
    },
    hooks: {
      init: {
        before: ["PgCodecs"],
        callback(_, build) {
          const { GraphQLString } = build.graphql;
          build.registerObjectType(
            "Address",
            {},
            () => ({
              description: "A postal address. Parts that are unknown are null.",
              fields: Object.fromEntries(
                Object.entries(parts).map(([name, description]) => [
                  name,
                  {
                    description,
                    type: GraphQLString,
                    plan: ($address: Step) => access($address, [name]),
                  },
                ]),
              ),
            }),
            "CrmAddressPlugin",
          );
          build.registerInputObjectType(
            "AddressInput",
            {},
            () => ({
              description:
                "A postal address. It replaces the whole address, so parts that are not given are removed.",
              fields: Object.fromEntries(
                Object.entries(parts).map(([name, description]) => [
                  name,
                  { description, type: GraphQLString },
                ]),
              ),
            }),
            "CrmAddressPlugin",
          );
          build.registerInputObjectType(
            "PostalAddressFilter",
            {},
            () => ({
              description: "Conditions on an address; all must be met.",
              fields: () =>
                Object.fromEntries(
                  filtered.map((name) => [
                    name,
                    {
                      description: `Conditions on \`${name}\`.`,
                      type: build.getInputTypeByName("StringFilter"),
                      apply: (address: PgCondition) => {
                        const part = new PgCondition(address);
                        part.extensions.pgFilterAttribute = {
                          codec: TYPES.text,
                          expression: sql`(${columns.get(address) ?? address.alias} ->> ${sql.literal(name)})`,
                        };
                        return part;
                      },
                    },
                  ]),
                ),
            }),
            "CrmAddressPlugin",
          );
          build.setGraphQLTypeForPgCodec(addressCodec, ["output"], "Address");
          build.setGraphQLTypeForPgCodec(addressCodec, ["input"], "AddressInput");
          return _;
        },
      },

      GraphQLInputObjectType_fields(fields, build, { scope, fieldWithHooks }) {
        const { isPgConnectionFilter, pgCodec } = scope;
        if (!isPgConnectionFilter || !pgCodec?.attributes) return fields;
        const added: typeof fields = {};
        for (const [attributeName, { codec }] of Object.entries<{ codec: PgCodec }>(
          pgCodec.attributes,
        )) {
          if (codec !== addressCodec) continue;
          const fieldName = build.inflection.attribute({
            codec: pgCodec as PgCodecWithAttributes,
            attributeName,
          });
          added[fieldName] = fieldWithHooks({ fieldName, isPgConnectionFilterField: true }, () => ({
            description: `Conditions on \`${fieldName}\`.`,
            type: build.getInputTypeByName("PostalAddressFilter"),
            apply(rows: PgCondition, value: unknown) {
              if (value == null) return undefined;
              const address = new PgCondition(rows);
              columns.set(address, sql`${rows.alias}.${sql.identifier(attributeName)}`);
              return address;
            },
          }));
        }
        return build.extend(fields, added, "Adding filters on addresses");
      },
    },
  },
};
