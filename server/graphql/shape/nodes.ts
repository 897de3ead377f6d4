import type { GraphQLInterfaceType, GraphQLScalarType } from "graphql";
import { TYPES, type PgCodecWithAttributes, type PgResource } from "postgraphile/@dataplan/pg";
import { context, loadOne, type Step } from "postgraphile/grafast";

/**
 * An entity is a node, as Relay expects (https://relay.dev/docs/guides/graphql-server-specification/). Its id
 * is the UUID of the row. No other row has it, so the database finds the table from it.
 */
export const NodesPlugin: GraphileConfig.Plugin = {
  name: "CrmNodesPlugin",
  version: "1.0.0",
  description: "Adds the interface Node and the query node.",
  schema: {
    hooks: {
      init(_, build) {
        const { GraphQLNonNull } = build.graphql;
        const tables = new Map(
          resourcesOf(build).flatMap((resource) => {
            const { name, schemaName } = resource.extensions?.pg ?? {};
            return isEntity(resource) ? [[`${schemaName}.${name}`, resource] as const] : [];
          }),
        );
        const typeNames = new Map(
          [...tables].map(([table, { codec }]) => [table, build.inflection.tableType(codec)]),
        );
        const byType = new Map(
          [...tables].map(([table, resource]) => [typeNames.get(table), resource]),
        );
        build.registerInterfaceType(
          "Node",
          {},
          () => ({
            description: "An entity of any type.",
            fields: () => ({
              id: {
                description: "The identifier of the row. No row of any type has the same.",
                type: new GraphQLNonNull(build.getOutputTypeByName("ID") as GraphQLScalarType),
              },
            }),
            planType: ($id: Step) => ({
              $__typename: typeNameOf($id as Step<string>, typeNames),
              planForType: ({ name }) => byType.get(name)?.get({ id: $id }) ?? null,
            }),
          }),
          "CrmNodesPlugin",
        );
        return _;
      },
      GraphQLObjectType_interfaces(interfaces, build, { scope }) {
        const resource = resourcesOf(build).find(
          ({ codec, parameters }) => codec === scope.pgCodec && parameters === undefined,
        );
        return scope.isPgClassType && resource && isEntity(resource)
          ? [...interfaces, build.getTypeByName("Node") as GraphQLInterfaceType]
          : interfaces;
      },
      GraphQLObjectType_fields(fields, build, { scope, fieldWithHooks }) {
        if (!scope.isRootQuery) return fields;
        return {
          ...fields,
          node: fieldWithHooks({ fieldName: "node" }, () => ({
            description: "The entity with this id. Null if there is none.",
            type: build.getTypeByName("Node") as GraphQLInterfaceType,
            args: {
              id: {
                type: new build.graphql.GraphQLNonNull(
                  build.getInputTypeByName("ID") as GraphQLScalarType,
                ),
              },
            },
            plan: (_$root, args) => args.getRaw("id"),
          })),
        };
      },
    },
  },
};

/** Returns the tables, views and functions of the API. */
export function resourcesOf(build: GraphileBuild.Build): PgResource[] {
  return Object.values(build.input.pgRegistry.pgResources) as PgResource[];
}

type Entity = PgResource<string, PgCodecWithAttributes>;

/** Returns whether a resource is a table whose rows are identified by a UUID. */
export function isEntity(resource: PgResource): resource is Entity {
  const [key, ...others] = resource.uniques.find(({ isPrimary }) => isPrimary)?.attributes ?? [];
  return (
    resource.parameters === undefined &&
    key === "id" &&
    others.length === 0 &&
    resource.codec.attributes?.id?.codec === TYPES.uuid
  );
}

/** Finds the GraphQL type of the row with an id. Null if there is none that the user can read. */
function typeNameOf($id: Step<string>, typeNames: ReadonlyMap<string, string>) {
  return loadOne($id, {
    name: "typeNameOf",
    shared: () => context(),
    async load(ids: readonly string[], { shared }) {
      const { withPgClient, pgSettings } = shared;
      const { rows } = await withPgClient(pgSettings ?? null, (client) =>
        client.query<{ name: string | null }>({
          text: `
            select nspname || '.' || relname as name
            from unnest($1::uuid[]) with ordinality as node (id, place)
            left join pg_class on pg_class.oid = crm_private.table_of(node.id)
            left join pg_namespace on pg_namespace.oid = relnamespace
            order by place`,
          values: [ids],
        }),
      );
      return rows.map(({ name }) => (name === null ? null : (typeNames.get(name) ?? null)));
    },
  });
}
