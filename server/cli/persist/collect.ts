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

/** An operation that can be asked for by its id. */
export interface PersistedOperation {
  /** The SHA-256 hash of its document, in hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly type: "query" | "mutation" | "subscription";
  /** Its document: itself, then its fragments by name. */
  readonly body: string;
}

export interface CollectOptions {
  schema: GraphQLSchema;
  /** What the server will refuse, wherever the document comes from. */
  limits: Limits;
  /** Whether every selection asks for `__typename`, as clients with a cache make it. */
  typename: boolean;
}

type Named = OperationDefinitionNode | FragmentDefinitionNode;

/**
 * Makes one document of each operation, with the fragments that it needs from wherever they are.
 *
 * The text depends on what is asked only, not on where or how it is written, so its hash is stable.
 *
 * @param report is told what is wrong, and where.
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

/** By name, in the order of names. Where one name means two things, the first of them counts. */
function uniqueByName<Node extends Named>(
  nodes: readonly Node[],
  report: (fault: Fault) => void,
): Map<string, Node> {
  const known = new Map<string, Node>();
  for (const node of nodes) {
    const name = node.name?.value;
    if (name === undefined) {
      report(
        new Fault(locationOf(node), "An operation needs a name, by which its client finds it"),
      );
      continue;
    }
    const other = known.get(name);
    if (other !== undefined && print(other) !== print(node)) {
      const { file, line } = locationOf(other);
      report(new Fault(locationOf(node), `${name} means something else in ${file}, line ${line}`));
    }
    known.set(name, other ?? node);
  }
  return new Map([...known].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The fragments that a definition spreads, and those that these spread, by name. */
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

/** As the caches of Apollo and urql do: in every selection but that of the operation. */
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

/** Where an error is in a client's code; a document as a whole is where its operation is. */
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
