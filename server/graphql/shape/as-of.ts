import {
  getNamedType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLScalarType,
  isObjectType,
} from "graphql";
import type { PgResource, PgSelectSingleStep } from "postgraphile/@dataplan/pg";
import { inhibitOnNull, object, type ObjectStep, type Step } from "postgraphile/grafast";

import { isEntity, resourcesOf } from "./nodes.ts";

/** A row of the past, and the time that it was requested for. */
type Past = ObjectStep<{ row: PgSelectSingleStep; asOf: Step; id: Step }>;

/** Fields of an entity that are computed from its present row. */
const present = new Set(["id", "historyIsComplete", "fieldName", "index"]);

/**
 * Gives rows of the past a type of their own, such as `ContactAsOf`. It has the fields of the entity except
 * those that lead to other rows, and `entityId` instead of `id` (`taskId` and `noteId`, whose entity is another). A cache that identifies objects by their
 * id would replace the present row by the past one.
 */
export const AsOfPlugin: GraphileConfig.Plugin = {
  name: "CrmAsOfPlugin",
  version: "1.0.0",
  description: "Adds types for rows of the past.",
  schema: {
    hooks: {
      init(_, build) {
        const { GraphQLNonNull } = build.graphql;
        const resources = resourcesOf(build);
        for (const entity of resources.filter(isEntity)) {
          if (!resources.some((other) => other.codec === entity.codec && isAsOf(other))) continue;
          const typeName = build.inflection.tableType(entity.codec);
          build.registerObjectType(
            `${typeName}AsOf`,
            {},
            () => ({
              description: `${entity.codec.description ?? typeName} As it was at a time in the past.`,
              fields: ({ fieldWithHooks }) => {
                const now = build.getOutputTypeByName(typeName) as GraphQLObjectType;
                const copied = Object.values(now.getFields()).filter(
                  ({ name, args, type }) =>
                    args.length === 0 && !present.has(name) && isValue(getNamedType(type)),
                );
                // The entity of a task or note is what it is attached to.
                const idField = copied.some(({ name }) => name === "entityId")
                  ? build.inflection.camelCase(`${typeName}-id`)
                  : "entityId";
                return {
                  [idField]: fieldWithHooks({ fieldName: idField }, () => ({
                    description: "The id of the row.",
                    type: new GraphQLNonNull(build.getOutputTypeByName("ID") as GraphQLScalarType),
                    plan: ($past: Past) => $past.get("id"),
                  })),
                  asOf: fieldWithHooks({ fieldName: "asOf" }, () => ({
                    description: "The time that was requested.",
                    type: new GraphQLNonNull(
                      build.getOutputTypeByName("Datetime") as GraphQLScalarType,
                    ),
                    plan: ($past: Past) => $past.get("asOf"),
                  })),
                  ...Object.fromEntries(
                    copied.map(({ name, type, description, deprecationReason, extensions }) => [
                      name,
                      fieldWithHooks({ fieldName: name }, () => ({
                        description,
                        deprecationReason,
                        type,
                        plan: ($past: Past, args, info): Step => {
                          const $row = $past.get("row");
                          // A column with the name of its field has no plan.
                          const $value = extensions.grafast?.plan?.($row, args, info) as
                            Step | undefined;
                          return $value ?? $row.get(name);
                        },
                      })),
                    ]),
                  ),
                };
              },
            }),
            "CrmAsOfPlugin",
          );
        }
        return _;
      },
      GraphQLObjectType_fields_field(field, build, { scope }) {
        const { plan } = field;
        const typeName = `${scope.fieldName.charAt(0).toUpperCase()}${scope.fieldName.slice(1)}`;
        const isPast = scope.isRootQuery === true && build.getTypeMetaByName(typeName) !== null;
        if (!isPast || !typeName.endsWith("AsOf") || plan === undefined) return field;
        return {
          ...field,
          type: build.getOutputTypeByName(typeName),
          plan($root, args, info) {
            const $row = plan($root, args, info) as PgSelectSingleStep;
            // Null if the row did not exist.
            return object({
              row: $row,
              asOf: args.getRaw("at"),
              id: inhibitOnNull($row.get("id")),
            });
          },
        };
      },
    },
  },
};

/** Returns whether a type is that of a value, not of another row. */
function isValue(type: GraphQLNamedType): boolean {
  return !isObjectType(type) || type.getInterfaces().length === 0;
}

function isAsOf({ parameters, extensions }: PgResource): boolean {
  return parameters !== undefined && (extensions?.pg?.name ?? "").endsWith("_as_of");
}
