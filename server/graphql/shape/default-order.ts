import type { PgResource } from "postgraphile/@dataplan/pg";
import { getNamedType, type GraphQLEnumType } from "graphql";

import { searchedTypeOf } from "../search/searched.ts";

/**
 * Sets the default order of lists: that of the smart tag `@defaultOrder` of a table, a type or a function, such as `POSITION_ASC`
 * for pipeline stages; otherwise, newest first. A list that can be searched has none in the schema, because
 * its default depends on whether it is searched.
 */
export const DefaultOrderPlugin: GraphileConfig.Plugin = {
  name: "CrmDefaultOrderPlugin",
  version: "1.0.0",
  description:
    "Sets the default order of lists: newest first, or that of the smart tag @defaultOrder.",
  after: ["PgConnectionArgOrderByDefaultValuePlugin", "CrmDescriptionsPlugin"],
  schema: {
    hooks: {
      GraphQLObjectType_fields_field_args_arg(arg, build, { scope }) {
        const { isPgFieldConnection, isPgMutationPayloadEdgeField: isEdge } = scope;
        if (scope.argName !== "orderBy" || !(isPgFieldConnection || isEdge)) return arg;
        const resource = (
          isEdge ? build.pgTableResource(scope.pgCodec as never) : scope.pgFieldResource
        ) as PgResource;
        const names = defaultOrder(resource, getNamedType(arg.type) as GraphQLEnumType);
        if (isEdge || searchedTypeOf(resource) === undefined)
          return { ...arg, defaultValue: names };
        return {
          ...arg,
          defaultValue: undefined,
          description: `${arg.description} By default RELEVANCE if \`search\` is given, otherwise ${names.join(", ")}.`,
        };
      },
    },
  },
};

/** Returns the names of the orders in which a list is returned if the client names none. */
export function defaultOrder(
  { extensions, codec }: PgResource,
  orderByType: GraphQLEnumType,
): string[] {
  const tag = extensions?.tags?.defaultOrder ?? codec.extensions?.tags?.defaultOrder;
  if (typeof tag === "string") {
    const names = tag.split(" ");
    const unknown = names.find((name) => !orderByType.getValue(name));
    if (unknown === undefined) return names;
    throw new Error(`@defaultOrder ${unknown} is not an order of ${codec.name}`);
  }
  return newestFirst.filter((name) => orderByType.getValue(name)).slice(0, 1);
}

/** Entries of a log have no `createdAt`; their keys increase. */
const newestFirst = ["CREATED_AT_DESC", "PRIMARY_KEY_DESC"];
