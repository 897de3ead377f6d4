import {
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from "graphql";

import { QueryTooComplexError } from "../../errors/classes.ts";
import { hold, type Limits } from "./limits.ts";

/** The size of a document, counted without the schema or any value. */
interface Size {
  depth: number;
  fields: number;
  aliases: number;
  directives: number;
}

/** Introspection is deep by nature; GraphQL itself has a rule against cycles in it. */
const introspection = new Set(["__schema", "__type"]);

/**
 * Enforces the limits that depend on the text of a document alone. Called before validation, whose cost
 * grows faster than the document.
 *
 * Each fragment is measured once, so the time is linear in the length of the document, regardless of its
 * size with all fragments expanded.
 *
 * @throws {QueryTooComplexError} if a document is too large, or a fragment contains itself.
 */
export function checkStructure(document: DocumentNode, limits: Limits): void {
  const fragments = new Map<string, FragmentDefinitionNode>();
  const operations: OperationDefinitionNode[] = [];
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
    if (node.kind === Kind.OPERATION_DEFINITION) operations.push(node);
  }
  const { ofFragment, ofSelections } = createMeasure(fragments);

  for (const name of fragments.keys()) ofFragment(name);
  for (const { operation, selectionSet, directives = [] } of operations) {
    const size = ofSelections(selectionSet);
    const roots = countFields(selectionSet, fragments);
    hold(limits, operation === OperationTypeNode.MUTATION ? "mutations" : "rootFields", roots);
    hold(limits, "depth", size.depth);
    hold(limits, "aliases", size.aliases);
    hold(limits, "directives", size.directives + directives.length);
    hold(limits, "fields", size.fields);
  }
}

function createMeasure(fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
  const known = new Map<string, Size>();
  const open = new Set<string>();

  function ofSelections(set: SelectionSetNode | undefined): Size {
    const total: Size = { depth: 0, fields: 0, aliases: 0, directives: 0 };
    for (const selection of set?.selections ?? []) {
      const size = ofSelection(selection);
      total.depth = Math.max(total.depth, size.depth);
      total.fields = sum(total.fields, size.fields);
      total.aliases = sum(total.aliases, size.aliases);
      total.directives = sum(total.directives, size.directives, selection.directives?.length ?? 0);
    }
    return total;
  }

  function ofSelection(selection: SelectionNode): Size {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return ofFragment(selection.name.value);
    const inner = ofSelections(selection.selectionSet);
    if (selection.kind === Kind.INLINE_FRAGMENT) return inner;
    return {
      ...inner,
      depth: introspection.has(selection.name.value) ? 1 : inner.depth + 1,
      fields: sum(inner.fields, 1),
      aliases: sum(inner.aliases, selection.alias === undefined ? 0 : 1),
    };
  }

  function ofFragment(name: string): Size {
    const measured = known.get(name);
    if (measured !== undefined) return measured;
    if (open.has(name)) {
      throw new QueryTooComplexError(`The fragment ${name} contains itself`, {
        limit: "circularFragments",
        maximum: 0,
        actual: 1,
      });
    }
    open.add(name);
    const size = ofSelections(fragments.get(name)?.selectionSet);
    open.delete(name);
    known.set(name, size);
    return size;
  }

  return { ofFragment, ofSelections };
}

/** Counts the fields of one level, including those of fragments. No fragment may contain itself. */
function countFields(
  set: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): number {
  const known = new Map<string, number>();
  const ofSet = ({ selections }: SelectionSetNode): number =>
    selections.reduce((count, selection) => sum(count, ofSelection(selection)), 0);
  const ofSelection = (selection: SelectionNode): number => {
    if (selection.kind === Kind.FIELD) return 1;
    if (selection.kind === Kind.INLINE_FRAGMENT) return ofSet(selection.selectionSet);
    const { value: name } = selection.name;
    const fragment = fragments.get(name);
    const count = known.get(name) ?? (fragment === undefined ? 0 : ofSet(fragment.selectionSet));
    known.set(name, count);
    return count;
  };
  return ofSet(set);
}

/** Adds up to the largest safe integer: fragments that spread fragments multiply. */
function sum(...numbers: number[]): number {
  return Math.min(
    numbers.reduce((total, number) => total + number, 0),
    Number.MAX_SAFE_INTEGER,
  );
}
