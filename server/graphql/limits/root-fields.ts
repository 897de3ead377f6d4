import {
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from "graphql";

/**
 * Yields the root fields of an operation, including those of fragments, but not `__typename`, which
 * queries nothing.
 *
 * @param isIncluded whether a selection counts; by default all do.
 */
export function* rootFields(
  { selections }: SelectionSetNode,
  document: DocumentNode,
  isIncluded: (selection: SelectionNode) => boolean = () => true,
): Generator<FieldNode> {
  for (const selection of selections) {
    if (!isIncluded(selection)) continue;
    if (selection.kind === Kind.FIELD) {
      if (selection.name.value !== "__typename") yield selection;
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      yield* rootFields(selection.selectionSet, document, isIncluded);
    } else {
      const fragment = document.definitions.find(
        (node): node is FragmentDefinitionNode =>
          node.kind === Kind.FRAGMENT_DEFINITION && node.name.value === selection.name.value,
      );
      if (fragment) yield* rootFields(fragment.selectionSet, document, isIncluded);
    }
  }
}
