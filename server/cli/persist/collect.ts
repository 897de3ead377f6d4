import { createHash } from "node:crypto";

import {
  type ASTNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  print,
  specifiedRules,
  validate,
  visit,
} from "graphql";

import { createParseAndValidate } from "../../graphql/errors/documents.ts";
import type { Limits } from "../../graphql/limits/limits.ts";
import { Fault, faultOf, type Place, placeOf } from "./fault.ts";

/** An operation that clients can execute by its id. */
export interface PersistedOperation {
  /** The SHA-256 hash of its document, in hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly type: "query" | "mutation" | "subscription";
  /** Its document: the operation, then its fragments by name. */
  readonly body: string;
}

export interface CollectOptions {
  schema: GraphQLSchema;
  /** The limits that the server applies to every document. */
  limits: Limits;
  /** Whether `__typename` is added to every selection, as clients with a cache do. */
  typename: boolean;
}

type Named = OperationDefinitionNode | FragmentDefinitionNode;

/**
 * Returns one document for each operation, with the fragments that it needs from any of the documents.
 *
 * The text depends only on the content of the operation, not on its place or layout, so the hash is stable.
 *
 * @param report receives each fault and its place.
 */
export function collectOperations(
  documents: readonly DocumentNode[],
  { schema, limits, typename }: CollectOptions,
  report: (fault: Fault) => void,
): PersistedOperation[] {
  const definitions = documents.flatMap(({ definitions: all }) => all);
  const fragments = uniqueByName(
    definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION),
    report,
  );
  const operations = uniqueByName(
    definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION),
    report,
  );
  const accept = createParseAndValidate(schema, specifiedRules, { limits, introspection: true });

  return [...operations].flatMap(([name, operation]) => {
    const needed = fragmentsOf(operation, fragments);
    const document: DocumentNode = { kind: Kind.DOCUMENT, definitions: [operation, ...needed] };
    const body = print(typename ? withTypenames(document) : document);
    const errors = validate(schema, document);
    const refused = errors.length > 0 ? errors : accept(body).errors;
    if (refused !== undefined) {
      for (const error of refused) report(locate(error, operation));
      return [];
    }
    const id = createHash("sha256").update(body).digest("hex");
    return [{ id, name, type: operation.operation, body }];
  });
}

/** Returns the definitions in the order of their names. Of two with the same name, the first is used. */
function uniqueByName<Node extends Named>(
  nodes: readonly Node[],
  report: (fault: Fault) => void,
): Map<string, Node> {
  const known = new Map<string, Node>();
  for (const node of nodes) {
    const name = node.name?.value;
    if (name === undefined) {
      report(
        new Fault(locationOf(node), "An operation must have a name, by which its client finds it"),
      );
      continue;
    }
    const other = known.get(name);
    if (other !== undefined && print(other) !== print(node)) {
      const { file, line } = locationOf(other);
      report(
        new Fault(locationOf(node), `${name} is defined differently in ${file}, line ${line}`),
      );
    }
    known.set(name, other ?? node);
  }
  return new Map([...known].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Returns the fragments that a definition spreads, directly or indirectly, by name. */
function fragmentsOf(
  node: Named,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): FragmentDefinitionNode[] {
  const names = new Set<string>();
  const look = (inside: ASTNode): void => {
    visit(inside, {
      FragmentSpread({ name: { value } }) {
        const fragment = fragments.get(value);
        if (fragment === undefined || names.has(value)) return;
        names.add(value);
        look(fragment);
      },
    });
  };
  look(node);
  return [...fragments].filter(([name]) => names.has(name)).map(([, fragment]) => fragment);
}

/** Adds `__typename` as Apollo and urql do: to every selection except that of the operation. */
function withTypenames(document: DocumentNode): DocumentNode {
  return visit(document, {
    SelectionSet(node, _key, parent) {
      const isRoot = parent !== undefined && "kind" in parent && isOperation(parent);
      const isThere = node.selections.some(
        (selection) => selection.kind === Kind.FIELD && selection.name.value.startsWith("__"),
      );
      if (isRoot || isThere) return undefined;
      const typename = {
        kind: Kind.FIELD,
        name: { kind: Kind.NAME, value: "__typename" },
      } as const;
      return { ...node, selections: [...node.selections, typename] };
    },
  });
}

const isOperation = ({ kind }: ASTNode): boolean => kind === Kind.OPERATION_DEFINITION;

/** Returns the fault of an error. The place of an error about the whole document is its operation. */
function locate(error: GraphQLError, operation: OperationDefinitionNode): Fault {
  const location = error.nodes?.map(({ loc }) => loc).find((loc) => loc !== undefined);
  if (error.extensions.code === undefined && location !== undefined) {
    return faultOf(error, location.source.name);
  }
  return new Fault(locationOf(operation), error.message.replace(/\.$/, ""));
}

function locationOf({ loc }: Named): Place {
  if (loc === undefined) throw new Error("The document was parsed without locations");
  return placeOf(loc);
}
