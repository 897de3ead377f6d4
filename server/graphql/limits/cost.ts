import {
  getDirectiveValues,
  getNamedType,
  getNullableType,
  getOperationAST,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  isCompositeType,
  isInterfaceType,
  isLeafType,
  isListType,
  isObjectType,
  Kind,
  OperationTypeNode,
  valueFromASTUntyped,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from "graphql";

import { ValidationError } from "../../errors/classes.ts";
import { hold, pageSizeOf, type Limits } from "./limits.ts";

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
  /** The list that the selection is of, before its rows are asked for. */
  readonly list: List | undefined;
  /** How the lists around it are reached: `companies.contacts`. */
  readonly path: readonly string[];
  /** How many rows the lists of a bulk mutation's payload have, by their names. */
  readonly written: ReadonlyMap<string, number>;
  /** What each field costs in scans, where they are aggregates that sort. */
  readonly sorts: number;
}

/** A list whose rows, number or aggregates are asked for. */
interface List {
  readonly page: number;
  /** What reading all of it once costs in scans. */
  readonly scan: number;
  /** Whether its page cannot be found without reading more than the page. */
  readonly isSifted: boolean;
  /** How much longer reading all of it takes for its filter. */
  readonly weight: number;
}

/** What an operation asks of the database at most. */
export interface Cost {
  /** Rows, if every page is full. */
  readonly rows: number;
  /** How often all rows of a table are read; those of another row's list count a thousandth. */
  readonly scans: number;
  /** How many rows are written at once, or are thought to be. */
  readonly writes: number;
  /** Whether a filter has a list that is long enough for the plan to depend on it. */
  readonly hasLongList: boolean;
}

/** What fields cost in scans beyond what any list does, each time that they are answered. */
export const scansOfFields: ReadonlyMap<string, number> = new Map([
  ["Query.search", 1.5],
  ["Query.findDuplicates", 0.2],
  ["Contact.duplicates", 0.25],
  ["Company.duplicates", 0.2],
  ["Query.pipelineAsOf", 4],
  ["Query.duplicateGroups", 9],
]);

/**
 * How many rows mutations are thought to write beyond those that they are given: what they do depends
 * on what there is.
 */
export const writesOfFields: ReadonlyMap<string, number> = new Map(
  [
    ...["undoTransaction", "eraseContact", "mergeContacts", "mergeCompanies"],
    ...["createCustomFieldDefinition", "updateCustomFieldDefinition"],
    ...["deleteCustomFieldDefinition", "updatePipelineStage", "deleteCompany"],
  ].map((name) => [`Mutation.${name}`, 1000]),
);

/** Lists of a row that may have all rows of their table: one scan, however many such rows there are. */
const wholeLists = new Set(["PipelineStage.deals"]);

/** What sorting all rows of a table costs in scans, which `distinctCount` does for each field. */
const sort = 4;

/**
 * Holds a request to the limits that depend on the schema and on the values of its variables. The
 * document has passed `checkStructure`, so it is small with its fragments written out, too.
 *
 * The rows of a path are the product of its page sizes, and those of the longest paths are summed:
 * what stands on the way is a part of them. `totalCount` and aggregates are no rows, but may read
 * all of a table, as does a page of a list that is filtered or sorted.
 *
 * @throws {QueryTooComplexError} where it asks for too much.
 * @throws {ValidationError} where a page has a negative size.
 */
export function checkCost(request: Request, limits: Limits): Cost {
  const { schema, document, operationName, variables } = request;
  const operation = getOperationAST(document, operationName);
  const root = operation && schema.getRootType(operation.operation);
  if (!root) return { rows: 0, scans: 0, writes: 0, hasLongList: false };

  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  }
  const values = variablesOf(operation, variables);
  // Those that the operation does not declare are read, too.
  for (const value of Object.values({ ...variables, ...values })) {
    const most = limits.variableDepth;
    if (isDeeper(value, most)) hold(limits, "variableDepth", most + 1);
  }

  const query = schema.getQueryType();
  const isAlone = createIsAlone(schema);
  let rootFields = 0;
  const paths: { rows: number; path: readonly string[] }[] = [];
  let scans = 0;
  let writes = 0;
  let hasLongList = false;
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
  const scanOf = (name: string, { type, times }: Place): number => {
    if (isAlone(type)) return times;
    return wholeLists.has(name) ? Math.max(1, times / 1000) : times / 1000;
  };
  const ofField = (node: FieldNode, place: Place): void => {
    if (place.type === query) rootFields += 1;
    const field = fieldOf(place.type, node.name.value);
    if (!field) return;
    const page = checkArguments(node, field, values, limits, place.lists);
    hasLongList ||= page?.hasLongList === true;
    const type = getNamedType(field.type);
    const { list } = place;
    const isPage = list !== undefined && (field.name === "nodes" || field.name === "edges");
    if (list && (isPage ? list.isSifted : wholes.has(field.name))) scans += list.scan;
    scans += place.sorts;
    for (const [ending, more] of conversions) {
      if (list && field.name.endsWith(ending)) scans += more * list.scan;
    }
    scans += (scansOfFields.get(`${place.type.name}.${field.name}`) ?? 0) * place.times;
    const written =
      operation.operation === OperationTypeNode.MUTATION && place.type === root
        ? writtenBy(node, values)
        : none;
    writes += Math.max(0, ...written.values());
    writes += writesOfFields.get(`${place.type.name}.${field.name}`) ?? 0;
    if (!node.selectionSet || !isCompositeType(type)) return;

    const name = node.alias?.value ?? field.name;
    const path = isPage || field.name === "node" ? place.path : [...place.path, name];
    const inner: Place = {
      ...place,
      type,
      path,
      list: page
        ? { ...page, scan: page.weight * scanOf(`${place.type.name}.${field.name}`, place) }
        : keepsList(field.name)
          ? list
          : undefined,
      written,
      sorts: field.name === "distinctCount" ? sort * (list?.scan ?? 1) : 0,
    };
    // A list in a row, of external ids for example, is a part of the row.
    const isPart = !isPage && field.args.length === 0 && hasLeavesOnly(type);
    if (isPart || !isListType(getNullableType(field.type))) {
      ofSelections(node.selectionSet, inner);
      return;
    }
    const most = place.written.get(field.name) ?? page?.page ?? limits.defaultPageSize;
    const times = place.times * (isPage ? list.page : most);
    const lists = place.lists + 1;
    hold(limits, "lists", lists);
    const known = paths.length;
    ofSelections(node.selectionSet, { ...inner, times, lists });
    if (paths.length === known) paths.push({ rows: times, path });
  };
  ofSelections(operation.selectionSet, {
    ...{ type: root, times: 1, lists: 0, list: undefined, path: [], written: none, sorts: 0 },
  });
  const rows = paths.reduce((sum, path) => sum + path.rows, 0);
  const [longest] = paths.sort((a, b) => b.rows - a.rows);
  hold(limits, "rootFields", rootFields);
  hold(limits, "rows", rows, longest && advice(longest));
  hold(limits, "scans", Math.ceil(scans));
  return { rows, scans, writes, hasLongList };
}

/**
 * Tells the types whose lists are not those of a row: they are of all rows of a table. Besides the
 * outermost types these are the payloads, and whatever else leads back to the queries.
 */
function createIsAlone(schema: GraphQLSchema): (type: GraphQLNamedType) => boolean {
  const query = schema.getQueryType();
  const roots = new Set<unknown>([query, schema.getMutationType(), schema.getSubscriptionType()]);
  return (type) =>
    roots.has(type) ||
    ((isObjectType(type) || isInterfaceType(type)) &&
      Object.values(type.getFields()).some((field) => getNamedType(field.type) === query));
}

const none: Place["written"] = new Map();

/** How long the lists of objects are that a mutation is given, by their names in its input. */
function writtenBy(node: FieldNode, values: Values): Place["written"] {
  const given = node.arguments?.map(({ value }) => valueFromASTUntyped(value, values)) ?? [];
  return new Map(
    given
      .filter(isObject)
      .flatMap((input) => Object.entries(input))
      .flatMap(([name, rows]: [string, unknown]) =>
        Array.isArray(rows) ? [[name, rows.length] as const] : [],
      ),
  );
}

const aggregates = new Set(["distinctCount", "sum", "average", "min", "max"]);

/** What it costs in scans to keep the currencies of a list apart, and to convert them. */
const conversions: readonly (readonly [ending: string, scans: number])[] = [
  ["ByCurrency", 2],
  ["InBaseCurrency", 1],
];

/** What is asked of all rows of a list. */
const wholes = new Set(["totalCount", "aggregates", "groupedAggregates"]);

/** The selection of aggregates is of the same list still. */
function keepsList(name: string): boolean {
  return wholes.has(name) || aggregates.has(name);
}

function advice({ rows, path }: { rows: number; path: readonly string[] }): string {
  return `Most of them, ${rows}, are of ${path.join(".")}; give a smaller first to a list of this path`;
}

/** Checks the arguments of one field, and tells of its list where it is one. */
function checkArguments(
  node: FieldNode,
  field: GraphQLField<unknown, unknown>,
  values: Values,
  limits: Limits,
  lists: number,
): (Omit<List, "scan"> & { hasLongList: boolean }) | undefined {
  const given = new Map<string, unknown>(
    node.arguments?.map(({ name, value }) => [name.value, valueFromASTUntyped(value, values)]),
  );
  let weight = 1;
  let hasLongList = false;
  for (const name of ["filter", "having"]) {
    const { nodes, depth, values: listed, compared } = measureFilter(given.get(name), limits);
    hold(limits, "filterNodes", nodes);
    hold(limits, "filterDepth", depth);
    hold(limits, "filterValues", listed + compared);
    weight += Math.max(0, nodes - usualNodes) / usualNodes;
    weight += listed / hashedPerScan + compared / comparedPerScan;
    hasLongList ||= listed > shortList;
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
  const page = first ?? last ?? pageSizeOf(limits, lists);
  const isSifted = [...given.keys()].some((name) => !paging.has(name));
  return { page, isSifted, weight, hasLongList };
}

/** Arguments of a list that an index finds the rows for. */
const paging = new Set(["first", "last", "before", "after"]);

/** The members of a filter that a scan has time for; each as many more are another scan. */
const usualNodes = 10;

/** How many values of a list that is looked up by a hash take as long as a scan does. */
const hashedPerScan = 500;

/** As {@link hashedPerScan}, for lists whose values are compared with each row one by one. */
const comparedPerScan = 50;

/** A list that is not longer is looked through as fast as it is looked up in. */
const shortList = 8;

/** Operators that look a value up in their list. */
const hashed = new Set(["in", "notIn", "inInsensitive", "notInInsensitive"]);

/** Operators whose list is of filters. */
const logical = new Set(["and", "or"]);

/** How large a filter is. */
interface Extent {
  /** The members of all its objects. */
  nodes: number;
  /** Objects inside objects. */
  depth: number;
  /** The values in lists that a row's value is looked up in. */
  values: number;
  /** The values in all other lists. */
  compared: number;
}

/** Measures a filter, no further than needed. What it holds has passed `isDeeper`, or the parser. */
function measureFilter(value: unknown, limits: Limits): Extent {
  const extent: Extent = { nodes: 0, depth: 0, values: 0, compared: 0 };
  const isWithin = () =>
    extent.nodes <= limits.filterNodes &&
    extent.depth <= limits.filterDepth &&
    extent.values + extent.compared <= limits.filterValues;
  const walk = (item: unknown, depth: number, name: string): void => {
    if (Array.isArray(item)) {
      item.every((member) => {
        // Filters are counted by their members; what is none is refused where they belong.
        const isFilter = logical.has(name) || isObject(member);
        if (!isFilter) extent[hashed.has(name) ? "values" : "compared"] += 1;
        walk(member, depth, name);
        return isWithin();
      });
    } else if (isObject(item)) {
      const members = Object.entries(item);
      extent.nodes += members.length;
      if (members.length > 0) extent.depth = Math.max(extent.depth, depth + 1);
      for (const [key, member] of members) if (isWithin()) walk(member, depth + 1, key);
    }
  };
  walk(value, 0, "");
  return extent;
}

/** Whether a value has more objects and lists inside each other. It goes no deeper than that. */
function isDeeper(value: unknown, levels: number): boolean {
  if (!isObject(value)) return false;
  const isTooDeep = (member: unknown) => levels === 0 || isDeeper(member, levels - 1);
  if (Array.isArray(value)) return value.some(isTooDeep);
  // Much faster than to make a list of each object's values.
  for (const name in value) if (isTooDeep(value[name as keyof typeof value])) return true;
  return false;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether a type consists of values, and leads no further. */
function hasLeavesOnly(type: GraphQLNamedType): boolean {
  return (
    isObjectType(type) &&
    Object.values(type.getFields()).every((field) => isLeafType(getNamedType(field.type)))
  );
}

/** The variables that an operation declares, with their values as they are sent, or else by default. */
export function variablesOf(operation: OperationDefinitionNode, given: Values): Values {
  const values: Record<string, unknown> = {};
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    const name = variable.name.value;
    if (given[name] !== undefined) values[name] = given[name];
    else if (defaultValue) values[name] = valueFromASTUntyped(defaultValue);
  }
  return values;
}

/** Whether `@skip` and `@include` leave a selection in. */
export function isIncluded(selection: SelectionNode, values: Values): boolean {
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
