import {
  getNamedType,
  getNullableType,
  isInputObjectType,
  isListType,
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  type SelectionSetNode,
} from "graphql";

/**
 * Tells whether a document consists of bulk mutations: those that take a list of rows, so that there
 * is a reason for a large body. The schema decides, so a mutation of that kind is one from the moment
 * it exists.
 */
export function isBulk(schema: GraphQLSchema, document: DocumentNode): boolean {
  const mutations = schema.getMutationType()?.getFields() ?? {};
  return document.definitions
    .filter((node) => node.kind === Kind.OPERATION_DEFINITION)
    .every(({ operation, selectionSet }) => {
      if (operation !== OperationTypeNode.MUTATION) return false;
      const names = [...namesOf(selectionSet, document)];
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

/** The names of a selection's fields, those of fragments included. */
function* namesOf({ selections }: SelectionSetNode, document: DocumentNode): Generator<string> {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      if (selection.name.value !== "__typename") yield selection.name.value;
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      yield* namesOf(selection.selectionSet, document);
    } else {
      const fragment = document.definitions.find(
        (node): node is FragmentDefinitionNode =>
          node.kind === Kind.FRAGMENT_DEFINITION && node.name.value === selection.name.value,
      );
      if (fragment) yield* namesOf(fragment.selectionSet, document);
    }
  }
}
