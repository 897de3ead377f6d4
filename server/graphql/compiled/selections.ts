import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  Kind,
  type SelectionSetNode,
} from "graphql";

import { isIncluded, type Values } from "../limits/variables.ts";
import { NotCompiledError } from "./symbols.ts";

/** The fields of a selection by the names under which they are returned; equal names are merged. */
export type Selections = ReadonlyMap<string, readonly [FieldNode, ...FieldNode[]]>;

/** Returns the fragments of a document, by name. */
export function fragmentsOf({ definitions }: DocumentNode): Map<string, FragmentDefinitionNode> {
  return new Map(
    definitions
      .filter((node) => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((node) => [node.name.value, node]),
  );
}

/**
 * Returns the fields that are selected of an object, in the order of the response.
 *
 * @param type the type of the object.
 * @param values of variables, for `@skip` and `@include`.
 * @see https://spec.graphql.org/October2021/#CollectFields()
 */
export function collect(
  type: GraphQLNamedType,
  selectionSets: readonly (SelectionSetNode | undefined)[],
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  values: Values,
): Selections {
  const fields = new Map<string, [FieldNode, ...FieldNode[]]>();
  const visited = new Set<string>();
  const visit = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (!isIncluded(selection, values)) continue;
      if (selection.kind === Kind.FIELD) {
        const key = (selection.alias ?? selection.name).value;
        const known = fields.get(key);
        if (known === undefined) fields.set(key, [selection]);
        else known.push(selection);
        continue;
      }
      const isInline = selection.kind === Kind.INLINE_FRAGMENT;
      if (!isInline) {
        if (visited.has(selection.name.value)) continue;
        visited.add(selection.name.value);
      }
      const fragment = isInline ? selection : fragments.get(selection.name.value);
      const on = fragment?.typeCondition?.name.value;
      if (fragment === undefined) continue;
      if (on !== undefined && on !== type.name) {
        throw new NotCompiledError(`a fragment on ${on} is not compiled`);
      }
      visit(fragment.selectionSet);
    }
  };
  for (const set of selectionSets) if (set) visit(set);
  return fields;
}
