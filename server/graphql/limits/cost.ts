import {
  getNamedType,
  getNullableType,
  getOperationAST,
  isCompositeType,
  isInterfaceType,
  isLeafType,
  isListType,
  isObjectType,
  Kind,
  valueFromASTUntyped,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from "graphql";

import { hold, type Limits } from "./limits.ts";
import { checkArguments, type Page } from "./list-arguments.ts";
import {
  isDeeper,
  isIncluded,
  isObject,
  type Values,
  variablesOf,
  watchValues,
} from "./variables.ts";

/** A valid document with its variables. */
export interface Request {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName: string | null | undefined;
  readonly variables: Values;
}

/** The most that an operation may cost. */
export interface Cost {
  /** Rows, if every page is full. */
  readonly rows: number;
  /** Reads of whole tables; the list of one row counts a thousandth. */
  readonly scans: number;
  /** The number of rows written at once, partly an estimate. */
  readonly writes: number;
  /** Whether a filter has a list so long that the query plan depends on it. */
  readonly hasLongList: boolean;
}

/** The cost in scans of single fields, in addition to that of any list, for each execution. */
export const scansOfFields: ReadonlyMap<string, number> = new Map([
  ["Query.search", 0.5],
  ["Query.findDuplicates", 0.2],
  ["Contact.duplicates", 0.25],
  ["Company.duplicates", 0.2],
  ["Query.pipelineAsOf", 4],
  ["Query.duplicateGroups", 9],
]);

/** The cost in scans of searching a list, whose rows are all ranked: more if a word is in every row. */
const scansOfSearch = 3;

/**
 * The estimated number of rows that mutations write in addition to those in their input. The real number
 * depends on the data.
 */
export const writesOfFields: ReadonlyMap<string, number> = new Map(
  [
    ...["undoTransaction", "eraseContact", "mergeContacts", "mergeCompanies"],
    ...["createCustomFieldDefinition", "updateCustomFieldDefinition"],
    ...["deleteCustomFieldDefinition", "updatePipelineStage", "deleteCompany"],
  ].map((name) => [`Mutation.${name}`, 1000]),
);

/** Lists of a row that may contain all rows of their table: one scan, for any number of such rows. */
const wholeLists = new Set(["PipelineStage.deals"]);

/** The cost in scans of sorting a whole table, which `distinctCount` does for each field. */
const sort = 4;

/** The context of a walk through an operation, and its counts so far. */
interface Walk {
  readonly schema: GraphQLSchema;
  readonly limits: Limits;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly values: Values;
  /** Whether the lists of a type are those of whole tables, not of one row. */
  readonly isAlone: (type: GraphQLNamedType) => boolean;
  /** The longest paths of lists. */
  readonly paths: Path[];
  rootFields: number;
  scans: number;
  writes: number;
  hasLongList: boolean;
}

interface Path {
  readonly rows: number;
  /** The names of the lists: `companies.contacts`. */
  readonly path: readonly string[];
}

/** The position of a selection in the document. */
interface Place {
  readonly type: GraphQLNamedType;
  /** How many times the selection is executed if every page is full. */
  readonly times: number;
  /** The number of lists around it. */
  readonly lists: number;
  /** The list that the selection belongs to, until its rows are selected. */
  readonly list: List | undefined;
  /** The path of the lists around it: `companies.contacts`. */
  readonly path: readonly string[];
  /** The lengths of the lists in the payload of a bulk mutation, by name. */
  readonly written: ReadonlyMap<string, number>;
  /** The cost of each field in scans, if it is an aggregate that sorts. */
  readonly sorts: number;
}

/** A list from which rows, the count or aggregates are selected. */
interface List extends Page {
  /** The cost in scans of reading it once. */
  readonly scan: number;
}

/** A field at its place. */
interface Visit {
  readonly node: FieldNode;
  readonly field: GraphQLField<unknown, unknown>;
  /** `Query.contacts`. */
  readonly name: string;
  readonly place: Place;
  /** Undefined if the field is no list. */
  readonly page: Page | undefined;
  /** The list whose rows the field selects. */
  readonly rowsOf: List | undefined;
  readonly written: Place["written"];
}

/** Checks the cost of a request; see {@link createCheckCost}. */
export type CheckCost = (request: Request) => Cost;

/**
 * Creates the check of the limits that depend on the schema and on the values of variables. The document has
 * passed `checkStructure`, so it is small even with its fragments expanded.
 *
 * The rows of a path are the product of its page sizes. The rows of the longest paths are summed; they
 * include those of shorter paths. `totalCount` and aggregates are no rows, but may read a whole table, as
 * does a page of a list that is filtered or sorted.
 *
 * The cost of an operation is kept if no value of a variable was needed to find it. Documents belong to one
 * schema, so a changed schema has other documents.
 *
 * @returns a function that throws `QueryTooComplexError` if a limit is exceeded, and `ValidationError` if a
 *   page has a negative size.
 */
export function createCheckCost(limits: Limits): CheckCost {
  const constant = new WeakMap<OperationDefinitionNode, Cost>();

  return (request) => {
    const { schema, document, operationName, variables } = request;
    const operation = getOperationAST(document, operationName);
    const root = operation && schema.getRootType(operation.operation);
    if (!root) return { rows: 0, scans: 0, writes: 0, hasLongList: false };

    // Variables that the operation does not declare are parsed, too.
    checkDepth(variables, limits);
    const known = constant.get(operation);
    if (known !== undefined) return known;
    checkDepth(variablesOf(operation, {}), limits);

    const read = new Set<string>();
    const values = watchValues(operation, variablesOf(operation, variables), read);
    const cost = costOf(request, operation, root, values, limits);
    if (read.size === 0) constant.set(operation, cost);
    return cost;
  };
}

function checkDepth(values: Values, limits: Limits): void {
  const most = limits.variableDepth;
  for (const name in values) {
    if (isDeeper(values[name], most)) hold(limits, "variableDepth", most + 1);
  }
}

function costOf(
  { schema, document }: Request,
  { selectionSet }: OperationDefinitionNode,
  root: GraphQLObjectType,
  values: Values,
  limits: Limits,
): Cost {
  const walk: Walk = {
    ...{ schema, limits, fragments: fragmentsOf(document), values, isAlone: createIsAlone(schema) },
    ...{ paths: [], rootFields: 0, scans: 0, writes: 0, hasLongList: false },
  };
  visitSelections(walk, selectionSet, {
    ...{ type: root, times: 1, lists: 0, list: undefined, path: [], written: none, sorts: 0 },
  });
  const { paths, rootFields, scans, writes, hasLongList } = walk;
  const rows = paths.reduce((sum, path) => sum + path.rows, 0);
  const [longest] = paths.sort((a, b) => b.rows - a.rows);
  hold(limits, "rootFields", rootFields);
  hold(limits, "rows", rows, longest && advice(longest));
  hold(limits, "scans", Math.ceil(scans));
  return { rows, scans, writes, hasLongList };
}

function fragmentsOf({ definitions }: DocumentNode): Map<string, FragmentDefinitionNode> {
  return new Map(
    definitions
      .filter((node) => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((node) => [node.name.value, node]),
  );
}

function visitSelections(walk: Walk, { selections }: SelectionSetNode, place: Place): void {
  for (const selection of selections) {
    if (isIncluded(selection, walk.values)) visitSelection(walk, selection, place);
  }
}

function visitSelection(walk: Walk, selection: SelectionNode, place: Place): void {
  if (selection.kind === Kind.FIELD) {
    visitField(walk, selection, place);
    return;
  }
  const isInline = selection.kind === Kind.INLINE_FRAGMENT;
  const fragment = isInline ? selection : walk.fragments.get(selection.name.value);
  if (!fragment) return;
  const on = fragment.typeCondition?.name.value;
  const type = on === undefined ? place.type : walk.schema.getType(on);
  if (type) visitSelections(walk, fragment.selectionSet, { ...place, type });
}

function visitField(walk: Walk, node: FieldNode, place: Place): void {
  if (place.type === walk.schema.getQueryType()) walk.rootFields += 1;
  const field = fieldOf(place.type, node.name.value);
  if (!field) return;
  const isMutation = place.type === walk.schema.getMutationType();
  const visit: Visit = {
    ...{ node, field, name: `${place.type.name}.${field.name}`, place },
    page: checkArguments(node, field, place.lists, walk),
    rowsOf: field.name === "nodes" || field.name === "edges" ? place.list : undefined,
    written: isMutation ? writtenBy(node, walk.values) : none,
  };
  countField(walk, visit);
  const type = getNamedType(field.type);
  if (!node.selectionSet || !isCompositeType(type)) return;

  const inner = placeInside(walk, visit, type);
  // A list inside a row, such as external ids, is part of the row.
  const isPart = !visit.rowsOf && field.args.length === 0 && hasLeavesOnly(type);
  if (isPart || !isListType(getNullableType(field.type))) {
    visitSelections(walk, node.selectionSet, inner);
  } else {
    visitRows(walk, visit, node.selectionSet, inner);
  }
}

/** Adds the cost of a field itself, without its selection. */
function countField(walk: Walk, { field, name, place, page, rowsOf, written }: Visit): void {
  const { list } = place;
  if (list && (rowsOf ? list.isSifted : wholes.has(field.name))) walk.scans += list.scan;
  walk.scans += place.sorts;
  for (const [ending, more] of conversions) {
    if (list && field.name.endsWith(ending)) walk.scans += more * list.scan;
  }
  walk.scans += (scansOfFields.get(name) ?? 0) * place.times;
  // The lists of many rows are searched in one statement, which searches the table once.
  if (page?.isSearched) walk.scans += scansOfSearch;
  walk.writes += Math.max(0, ...written.values());
  walk.writes += writesOfFields.get(name) ?? 0;
  walk.hasLongList ||= page?.hasLongList === true;
}

/** Returns the place of the selection of a field. */
function placeInside(walk: Walk, visit: Visit, type: GraphQLNamedType): Place {
  const { node, field, name, place, page, rowsOf, written } = visit;
  const isOnPath = rowsOf !== undefined || field.name === "node";
  const kept = keepsList(field.name) ? place.list : undefined;
  return {
    ...place,
    type,
    path: isOnPath ? place.path : [...place.path, node.alias?.value ?? field.name],
    list: page ? { ...page, scan: page.weight * scansOf(walk, name, place) } : kept,
    written,
    sorts: field.name === "distinctCount" ? sort * (place.list?.scan ?? 1) : 0,
  };
}

/** Visits the selection of a list, and adds its rows unless it selects longer paths. */
function visitRows(
  walk: Walk,
  { field, place, page, rowsOf }: Visit,
  selectionSet: SelectionSetNode,
  inner: Place,
): void {
  const most = place.written.get(field.name) ?? page?.page ?? walk.limits.defaultPageSize;
  const times = place.times * (rowsOf?.page ?? most);
  const lists = place.lists + 1;
  hold(walk.limits, "lists", lists);
  const known = walk.paths.length;
  visitSelections(walk, selectionSet, { ...inner, times, lists });
  if (walk.paths.length === known) walk.paths.push({ rows: times, path: inner.path });
}

/** Returns the cost in scans of reading a list once at its place. */
function scansOf({ isAlone }: Walk, name: string, { type, times }: Place): number {
  if (isAlone(type)) return times;
  return wholeLists.has(name) ? Math.max(1, times / 1000) : times / 1000;
}

/**
 * Returns whether the lists of a type are those of whole tables, not of one row. These types are the root
 * types, the payloads, and every other type with a field of type Query.
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

/** Returns the lengths of the lists in the input of a mutation, by name. */
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

/** The cost in scans of aggregates by currency, and of converting amounts. */
const conversions: readonly (readonly [ending: string, scans: number])[] = [
  ["ByCurrency", 2],
  ["InBaseCurrency", 1],
];

/** Fields that are about all rows of a list. */
const wholes = new Set(["totalCount", "aggregates", "groupedAggregates"]);

/** The selection of aggregates still belongs to the same list. */
function keepsList(name: string): boolean {
  return wholes.has(name) || aggregates.has(name);
}

function advice({ rows, path }: Path): string {
  return `Most of them, ${rows}, are in ${path.join(".")}; use a smaller first for a list on this path`;
}

/** Returns whether all fields of a type are scalars or enums. */
function hasLeavesOnly(type: GraphQLNamedType): boolean {
  return (
    isObjectType(type) &&
    Object.values(type.getFields()).every((field) => isLeafType(getNamedType(field.type)))
  );
}

function fieldOf(type: GraphQLNamedType, name: string): GraphQLField<unknown, unknown> | undefined {
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}
