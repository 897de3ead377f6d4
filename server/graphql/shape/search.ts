import type { PgResource, PgSelectStep } from "postgraphile/@dataplan/pg";

/**
 * A function with its own argument `first` limits and orders its result itself. It is a plain list with the
 * arguments of the function: a connection would page a result that is already limited.
 */
export const SearchPlugin: GraphileConfig.Plugin = {
  name: "CrmSearchPlugin",
  version: "1.0.0",
  description: "Makes search a list in its own order, and the query required.",
  gather: {
    hooks: {
      pgProcedures_PgResourceOptions(_info, { pgProc, resourceOptions }) {
        if (!pgProc.proargnames?.includes("first")) return;
        resourceOptions.isList = true;
        // Ordered by place below, so that relations of a hit can be joined.
        resourceOptions.hasImplicitOrder = false;
      },
    },
  },
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, build, { scope }) {
        const { plan } = field;
        const resource = scope.pgFieldResource as PgResource | undefined;
        const { query } = field.args ?? {};
        if (resource?.name !== "search" || plan === undefined || query === undefined) return field;
        const { getNamedType, GraphQLInt, GraphQLList, GraphQLNonNull, GraphQLString } =
          build.graphql;
        return {
          ...field,
          type: new GraphQLList(new GraphQLNonNull(getNamedType(field.type))),
          args: {
            query: { ...query, type: new GraphQLNonNull(GraphQLString) },
            entityTypes: {
              ...field.args?.entityTypes,
              type: new GraphQLList(new GraphQLNonNull(GraphQLString)),
            },
            first: { ...field.args?.first, type: GraphQLInt },
          },
          plan($parent, args, info) {
            const $hits = plan($parent, args, info) as PgSelectStep;
            $hits.orderBy({ attribute: "place", direction: "ASC" });
            return $hits;
          },
        };
      },
    },
  },
};
