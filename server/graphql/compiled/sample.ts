import {
  getNullableType,
  type GraphQLInputType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  isScalarType,
  type OperationDefinitionNode,
  typeFromAST,
} from "graphql";

import type { Values } from "../limits/variables.ts";

/** Returns values for the required variables of an operation, to compile it before its first request. */
export function sampleOf(
  schema: GraphQLSchema,
  { variableDefinitions }: OperationDefinitionNode,
): Values {
  return Object.fromEntries(
    (variableDefinitions ?? []).flatMap(({ variable, type, defaultValue }) => {
      const found = typeFromAST(schema, type);
      if (!isInputType(found) || !isNonNullType(found) || defaultValue !== undefined) return [];
      return [[variable.name.value, sampleOfType(found)]];
    }),
  );
}

function sampleOfType(type: GraphQLInputType): unknown {
  const nullable = getNullableType(type);
  if (isListType(nullable)) return [sampleOfType(nullable.ofType)];
  if (isEnumType(nullable)) return nullable.getValues()[0]?.value;
  if (isInputObjectType(nullable)) {
    const fields = Object.values(nullable.getFields());
    const required = fields.filter(({ type: ofField }) => isNonNullType(ofField));
    // An empty patch would change nothing.
    const some = fields.find(({ type: of }) => isScalarType(of) && of.name !== "JSON");
    const given = required.length > 0 || some === undefined ? required : [some];
    return Object.fromEntries(given.map((field) => [field.name, sampleOfType(field.type)]));
  }
  if (nullable.name === "Int" || nullable.name === "Float") return 1;
  return nullable.name === "Boolean" ? true : "1";
}
