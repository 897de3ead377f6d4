import { type FieldNode, type GraphQLField, valueFromASTUntyped } from "graphql";

import { ValidationError } from "../../errors/classes.ts";
import { refuseNullComparisons } from "../filters/nulls.ts";
import { hold, type Limits, pageSizeOf } from "./limits.ts";
import { isObject, type Values } from "./variables.ts";

/** A page of a list, as its arguments select it. */
export interface Page {
  /** The number of rows. */
  readonly page: number;
  /** Whether finding a page requires reading more rows than the page has. */
  readonly isSifted: boolean;
  /** The factor by which the filter makes reading the list slower. */
  readonly weight: number;
  /** Whether the filter has a list so long that the query plan depends on it. */
  readonly hasLongList: boolean;
  /** Whether the list is searched. */
  readonly isSearched: boolean;
}

/** The values of variables, and the limits that apply to arguments. */
interface Rules {
  readonly values: Values;
  readonly limits: Limits;
}

/**
 * Checks the arguments of a field.
 *
 * @param lists the number of lists around the field.
 * @returns its page; undefined if the field is no list.
 * @throws {QueryTooComplexError} if a limit is exceeded.
 * @throws {ValidationError} if a page has a negative size, or a filter compares with null only.
 */
export function checkArguments(
  node: FieldNode,
  field: GraphQLField<unknown, unknown>,
  lists: number,
  { values, limits }: Rules,
): Page | undefined {
  const written = new Map(node.arguments?.map(({ name, value }) => [name.value, value]));
  // Only the values that the cost depends on are read, so that the costs of other operations can be kept.
  const given: Given = (name) => {
    const value = written.get(name);
    return value && valueFromASTUntyped(value, values);
  };
  const filters = checkFilters(given, limits);
  for (const argument of field.args.filter(({ name }) => filterArguments.includes(name))) {
    const value = written.get(argument.name);
    if (value) refuseNullComparisons(argument, value, given(argument.name));
  }
  const orders = given("orderBy");
  if (Array.isArray(orders)) hold(limits, "orderings", orders.length);

  if (!field.args.some(({ name }) => name === "first")) return undefined;
  const [first, last] = ["first", "last", "offset"].map((name) => checkSize(given, name, limits));
  const page = first ?? last ?? pageSizeOf(limits, lists);
  const isSifted = [...written.keys()].some((name) => !paging.has(name));
  const isSearched = given("search") != null;
  return { page, isSifted, isSearched, ...filters };
}

/** Returns the value of an argument. */
type Given = (name: string) => unknown;

function checkFilters(given: Given, limits: Limits): Pick<Page, "weight" | "hasLongList"> {
  let weight = 1;
  let hasLongList = false;
  for (const name of filterArguments) {
    const { nodes, depth, values: listed, compared } = measureFilter(given(name), limits);
    hold(limits, "filterNodes", nodes);
    hold(limits, "filterDepth", depth);
    hold(limits, "filterValues", listed + compared);
    weight += Math.max(0, nodes - usualNodes) / usualNodes;
    weight += listed / hashedPerScan + compared / comparedPerScan;
    hasLongList ||= listed > shortList;
  }
  return { weight, hasLongList };
}

function checkSize(given: Given, name: string, limits: Limits): number | undefined {
  const size = given(name);
  if (typeof size !== "number") return undefined;
  if (size < 0) {
    throw new ValidationError(`${name} must not be negative`, {
      [name]: ["must not be negative"],
    });
  }
  if (name !== "offset") hold(limits, "pageSize", size);
  return size;
}

/** Arguments that select rows or groups by conditions. */
const filterArguments = ["filter", "having"];

/** Arguments of a list that an index can serve. */
const paging = new Set(["first", "last", "before", "after"]);

/** The number of members of a filter that cost no more than a scan; as many more cost one more scan. */
const usualNodes = 10;

/** The number of values, in a list that is searched by a hash, that cost as much as a scan. */
const hashedPerScan = 500;

/** As {@link hashedPerScan}, for lists whose values are compared with each row one by one. */
const comparedPerScan = 50;

/** In a list up to this length, comparing one by one is as fast as a hash. */
const shortList = 8;

/** Operators that search their list by a hash. */
const hashed = new Set(["in", "notIn", "inInsensitive", "notInInsensitive"]);

/** Operators that take a list of filters. */
const logical = new Set(["and", "or"]);

/** The size of a filter. */
interface Extent {
  /** The members of all its objects. */
  nodes: number;
  /** Objects inside objects. */
  depth: number;
  /** The values in lists that are searched by a hash. */
  values: number;
  /** The values in all other lists. */
  compared: number;
}

/** Measures a filter, up to the first exceeded limit. Its depth has passed `isDeeper`, or the parser. */
function measureFilter(value: unknown, limits: Limits): Extent {
  const extent: Extent = { nodes: 0, depth: 0, values: 0, compared: 0 };
  const isWithin = () =>
    extent.nodes <= limits.filterNodes &&
    extent.depth <= limits.filterDepth &&
    extent.values + extent.compared <= limits.filterValues;
  const walk = (item: unknown, depth: number, name: string): void => {
    if (Array.isArray(item)) {
      item.every((member) => {
        // Filters are counted by their members. A value that is no filter is refused by validation.
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
