import type { PgCodec } from "postgraphile/@dataplan/pg";
import { getNamedType, GraphQLEnumType } from "graphql";

/**
 * Sets the default order of a list from the smart tag `@defaultOrder` of its table, such as `POSITION_ASC`
 * for pipeline stages. Without the tag, it is the order of the primary key.
 */
export const DefaultOrderPlugin: GraphileConfig.Plugin = {
  name: "CrmDefaultOrderPlugin",
  version: "1.0.0",
  description: "Sets default orders from the smart tag @defaultOrder.",
  after: ["PgConnectionArgOrderByDefaultValuePlugin"],
  schema: {
    hooks: {
      GraphQLObjectType_fields_field_args_arg(arg, _build, { scope }) {
        const { argName, fieldName, isPgFieldConnection, pgFieldResource } = scope;
        const codec = pgFieldResource?.codec as PgCodec | undefined;
        const order = codec?.extensions?.tags?.defaultOrder;
        if (argName !== "orderBy" || !isPgFieldConnection || order === undefined) return arg;
        const type = getNamedType(arg.type);
        const value = type instanceof GraphQLEnumType ? type.getValue(String(order)) : undefined;
        if (!value)
          throw new Error(`@defaultOrder ${String(order)} is not an order of ${fieldName}`);
        return { ...arg, defaultValue: [value.value] };
      },
    },
  },
};
