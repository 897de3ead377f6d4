import type { PgCodec } from "postgraphile/@dataplan/pg";
import { getNamedType, GraphQLEnumType } from "graphql";

/**
 * A list comes in the order that its table names with the smart tag `@defaultOrder`, as
 * `POSITION_ASC` for the pipeline's stages, unless the client asks for another. Tables without the
 * tag keep the order of their primary keys.
 */
export const DefaultOrderPlugin: GraphileConfig.Plugin = {
  name: "CrmDefaultOrderPlugin",
  version: "1.0.0",
  description: "Orders lists by the smart tag @defaultOrder of their table.",
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
        if (!value) throw new Error(`@defaultOrder ${String(order)} is no order of ${fieldName}`);
        return { ...arg, defaultValue: [value.value] };
      },
    },
  },
};
