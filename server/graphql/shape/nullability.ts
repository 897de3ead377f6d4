import {
  getNamedType,
  getNullableType,
  GraphQLList,
  GraphQLNonNull,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLInputType,
  type GraphQLOutputType,
} from "graphql";

import { isEntity, resourcesOf } from "./nodes.ts";

type Scope = GraphileBuild.ScopeObjectFieldsField;

/**
 * Types what is never null as non-null: elements of lists, the connections of the query, the entities in the
 * payload of a mutation, and an entity that a required column references.
 */
export const NullabilityPlugin: GraphileConfig.Plugin = {
  name: "CrmNullabilityPlugin",
  version: "1.0.0",
  description: "Types what is never null as non-null.",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, build, { scope, Self }) {
        const isNever =
          (scope.isRootQuery === true && getNamedType(field.type).name.endsWith("Connection")) ||
          (scope.isMutationPayload === true && isResult(scope.fieldName, field.type)) ||
          isRequiredReference(scope, build);
        const type = holdsNulls(Self.name, field.type) ? field.type : withElements(field.type);
        return { ...field, type: isNever ? new GraphQLNonNull(getNullableType(type)) : type };
      },
      GraphQLObjectType_fields_field_args_arg: (arg) => ({ ...arg, type: withElements(arg.type) }),
      GraphQLInputObjectType_fields_field: (field) => ({
        ...field,
        type: withElements(field.type),
      }),
    },
  },
};

/** The keys of a group are null for rows without a value, and bulk payloads have null for rows not written. */
function holdsNulls(owner: string, type: GraphQLOutputType): boolean {
  const named = getNamedType(type);
  return (
    owner.endsWith("Aggregates") ||
    (owner.endsWith("Payload") && isObjectType(named) && named.getInterfaces().length > 0)
  );
}

/** Returns whether a field of a payload is what the mutation was about. */
function isResult(fieldName: string, type: GraphQLOutputType): boolean {
  return fieldName !== "query" && isObjectType(type) && !type.name.endsWith("Edge");
}

/** Returns whether a field is the entity that a required column of another one references. */
function isRequiredReference({ pgRelationDetails }: Scope, build: GraphileBuild.Build): boolean {
  if (pgRelationDetails === undefined) return false;
  const { registry, codec, relationName } = pgRelationDetails;
  const relation = registry.pgRelations[String(codec.name)]?.[relationName];
  const local = resourcesOf(build).find((resource) => resource.codec === codec);
  return (
    relation !== undefined &&
    relation.isReferencee !== true &&
    local !== undefined &&
    isEntity(local) &&
    relation.localAttributes.every((name) => codec.attributes[name]?.notNull === true)
  );
}

/** Makes the elements of a list non-null, and of the lists in it. */
function withElements<Type extends GraphQLInputType | GraphQLOutputType>(type: Type): Type {
  if (isNonNullType(type)) return new GraphQLNonNull(withElements(type.ofType)) as Type;
  if (!isListType(type)) return type;
  const element = withElements(type.ofType as GraphQLOutputType);
  return new GraphQLList(new GraphQLNonNull(getNullableType(element))) as unknown as Type;
}
