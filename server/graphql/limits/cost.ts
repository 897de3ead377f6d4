import {
  getDirectiveValues,
  getNamedType,
  getNullableType,
  getOperationAST,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  valueFromASTUntyped,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type SelectionNode,
  type SelectionSetNode,
} from "graphql";

import { ValidationError } from "../../errors.ts";
import { hold, type Limits } from "./limits.ts";

type Values = Readonly<Record<string, unknown>>;

/** A valid document with the variables that it is to run with. */
export interface Request {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName: string | null | undefined;
  readonly variables: Values;
}

/** What the fields of a selection are reached by. */
interface Place {
  readonly type: GraphQLNamedType;
  /** How many times the selection is answered, if every page is full. */
  readonly times: number;
  /** The lists around it. */
  readonly lists: number;
  /** The page size of the connection that the selection is of. */
  readonly page: number | undefined;
}

/**
 * Holds a request to the limits that depend on the schema and on the values of its variables. The
 * document has passed `checkStructure`, so it is small with its fragments written out, too.
 *
 * A list costs its page size where its rows are asked for; `totalCount` and aggregates of a list
 * cost nothing, for the database answers them with one row.
 *
 * @throws {QueryTooComplexError} where it asks for too much.
 * @throws {ValidationError} where a page has a negative size.
 */
export function checkCost(request: Request, limits: Limits): void {
  const { schema, document, operationName, variables } = request;
  const operation = getOperationAST(document, operationName);
  const root = operation && schema.getRootType(operation.operation);
  if (!root) return;

  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  }
  const values: Record<string, unknown> = {};
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    const name = variable.name.value;
    if (variables[name] !== undefined) values[name] = variables[name];
    else if (defaultValue) values[name] = valueFromASTUntyped(defaultValue);
    hold(limits, "variableDepth", measure(values[name]).levels);
  }

  let rows = 0;
  const ofSelections = ({ selections }: SelectionSetNode, place: Place): void => {
    for (const selection of selections) {
      if (isIncluded(selection, values)) ofSelection(selection, place);
    }
  };
  const ofSelection = (selection: SelectionNode, place: Place): void => {
    if (selection.kind === Kind.FIELD) {
      ofField(selection, place);
      return;
    }
    const fragment =
      selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    if (!fragment) return;
    const on = fragment.typeCondition?.name.value;
    const type = on === undefined ? place.type : schema.getType(on);
    if (type) ofSelections(fragment.selectionSet, { ...place, type });
  };
  const ofField = (node: FieldNode, place: Place): void => {
    const field = fieldOf(place.type, node.name.value);
    if (!field) return;
    const page = checkArguments(node, field, values, limits);
    const type = getNamedType(field.type);
    if (!node.selectionSet || !isCompositeType(type)) return;
    let { times, lists } = place;
    if (isListType(getNullableType(field.type))) {
      const isPage = field.name === "nodes" || field.name === "edges";
      times *= (isPage ? place.page : undefined) ?? limits.defaultPageSize;
      lists += 1;
      rows += times;
    }
    hold(limits, "lists", lists);
    ofSelections(node.selectionSet, { type, times, lists, page });
  };
  ofSelections(operation.selectionSet, { type: root, times: 1, lists: 0, page: undefined });
  hold(limits, "rows", rows);
}

/** Checks the arguments of one field, and gives the size of its page where it has one. */
function checkArguments(
  node: FieldNode,
  field: GraphQLField<unknown, unknown>,
  values: Values,
  limits: Limits,
): number | undefined {
  const given = new Map<string, unknown>(
    node.arguments?.map(({ name, value }) => [name.value, valueFromASTUntyped(value, values)]),
  );
  for (const name of ["filter", "having"]) {
    const { nodes, depth } = measure(given.get(name));
    hold(limits, "filterNodes", nodes);
    hold(limits, "filterDepth", depth);
  }
  const orders = given.get("orderBy");
  if (Array.isArray(orders)) hold(limits, "orderings", orders.length);

  if (!field.args.some(({ name }) => name === "first")) return undefined;
  const [first, last] = ["first", "last", "offset"].map((name) => {
    const size = given.get(name);
    if (typeof size !== "number") return undefined;
    if (size < 0) {
      throw new ValidationError(`${name} must not be negative`, {
        [name]: ["must not be negative"],
      });
    }
    if (name !== "offset") hold(limits, "pageSize", size);
    return size;
  });
  return first ?? last ?? limits.defaultPageSize;
}

/** How large a value is. */
interface Extent {
  /** The members of all its objects. */
  nodes: number;
  /** Objects inside objects. */
  depth: number;
  /** Objects and lists inside each other. */
  levels: number;
}

/** Measures a value without recursion, so that none is too deep for it. */
function measure(value: unknown): Extent {
  const extent: Extent = { nodes: 0, depth: 0, levels: 0 };
  const rest: [value: unknown, depth: number, levels: number][] = [[value, 0, 0]];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const [item, depth, levels] = next;
    extent.depth = Math.max(extent.depth, depth);
    extent.levels = Math.max(extent.levels, levels);
    if (typeof item !== "object" || item === null) continue;
    const isList = Array.isArray(item);
    for (const member of Object.values(item)) {
      // A list of scalars, as in `in: [...]`, is one value to the database.
      if (!isList) extent.nodes += 1;
      rest.push([member, depth + (isList ? 0 : 1), levels + 1]);
    }
  }
  return extent;
}

function isIncluded(selection: SelectionNode, values: Values): boolean {
  try {
    const skip = getDirectiveValues(GraphQLSkipDirective, selection, values);
    const include = getDirectiveValues(GraphQLIncludeDirective, selection, values);
    return skip?.if !== true && include?.if !== false;
  } catch {
    return true; // the variable has no value; execution will say so
  }
}

function fieldOf(type: GraphQLNamedType, name: string): GraphQLField<unknown, unknown> | undefined {
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}
