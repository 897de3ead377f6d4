import {
  getNamedType,
  getNullableType,
  isInputObjectType,
  isListType,
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
} from "graphql";

import { rootFields } from "./root-fields.ts";

/**
 * Returns whether a document consists of bulk mutations only: those that take a list of rows and may
 * therefore have a large body. The schema decides, so a new mutation of this kind needs no entry here.
 */
export function isBulk(schema: GraphQLSchema, document: DocumentNode): boolean {
  const mutations = schema.getMutationType()?.getFields() ?? {};
  return document.definitions
    .filter((node) => node.kind === Kind.OPERATION_DEFINITION)
    .every(({ operation, selectionSet }) => {
      if (operation !== OperationTypeNode.MUTATION) return false;
      const fields = rootFields(selectionSet, document);
      const names = Array.from(fields, ({ name }) => name.value);
      return (
        names.length > 0 && names.every((name) => mutations[name] && takesRows(mutations[name]))
      );
    });
}

function takesRows({ args }: GraphQLField<unknown, unknown>): boolean {
  return args.some(({ type }) => {
    const input = getNamedType(type);
    if (isListOfRows(type)) return true;
    return (
      isInputObjectType(input) && Object.values(input.getFields()).some((f) => isListOfRows(f.type))
    );
  });
}

function isListOfRows(type: GraphQLInputType): boolean {
  return isListType(getNullableType(type)) && isInputObjectType(getNamedType(type));
}
