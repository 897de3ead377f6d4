import { QueryTooComplexError } from "../../errors/classes.ts";

/** The limits of one request. */
export interface Limits {
  /** Bytes of the body of a request. */
  readonly bodyBytes: number;
  /** Bytes of the body of a bulk mutation; not less than `bodyBytes`. */
  readonly bulkBodyBytes: number;
  /** Characters of a document. Values belong in variables. */
  readonly characters: number;
  /** Lexical tokens of a document. */
  readonly tokens: number;
  /** Fields inside fields. */
  readonly depth: number;
  /** All fields; those of a fragment count wherever it is spread. */
  readonly fields: number;
  /** Aliased fields; those of a fragment count wherever it is spread. */
  readonly aliases: number;
  /** Directives; those of a fragment count wherever it is spread. */
  readonly directives: number;
  /** Root fields of a query. */
  readonly rootFields: number;
  /** Root fields of a mutation. */
  readonly mutations: number;
  /** Lists inside lists. */
  readonly lists: number;
  /** Rows, if every page is full: the product of the page sizes along each path, summed. */
  readonly rows: number;
  /** Scans: reads of a whole table. */
  readonly scans: number;
  /** Rows of one page. */
  readonly pageSize: number;
  /** Rows of a page if the client sets no size. */
  readonly defaultPageSize: number;
  /** As `defaultPageSize`, for a list inside another list; not more than that. */
  readonly innerPageSize: number;
  /** Groups of one list, which are returned without pages. */
  readonly groups: number;
  /** Fields of one filter, nested ones included. */
  readonly filterNodes: number;
  /** Fields inside fields of one filter. */
  readonly filterDepth: number;
  /** Values in all lists of one filter together. */
  readonly filterValues: number;
  /** Orders of one list. */
  readonly orderings: number;
  /** Levels of objects and lists in the value of one variable. */
  readonly variableDepth: number;
}

/**
 * Returns the number of rows of a page if the client sets no size.
 *
 * @param lists the number of lists around it.
 */
export function pageSizeOf({ defaultPageSize, innerPageSize }: Limits, lists: number): number {
  return lists === 0 ? defaultPageSize : Math.min(defaultPageSize, innerPageSize);
}

/** The unit of each limit, as in "The request has 12 …". */
const words: Record<
  Exclude<keyof Limits, "bodyBytes" | "bulkBodyBytes" | "defaultPageSize" | "innerPageSize">,
  string
> = {
  characters: "characters in its document",
  tokens: "tokens",
  depth: "levels of fields",
  fields: "fields",
  aliases: "aliases",
  directives: "directives",
  rootFields: "fields at the outermost level of a query",
  mutations: "mutations at once",
  lists: "lists inside each other",
  rows: "rows, if every page is full",
  scans: "reads of a whole table",
  pageSize: "rows on a page",
  groups: "groups of a list, or more",
  filterNodes: "fields in a filter",
  filterDepth: "levels of fields in a filter",
  filterValues: "values in the lists of a filter",
  orderings: "orders of a list",
  variableDepth: "levels in the value of a variable",
};

/**
 * Enforces a limit.
 *
 * @param advice how the client can stay within it, for the message.
 * @throws {QueryTooComplexError} if a request exceeds the limit.
 */
export function hold(
  limits: Limits,
  limit: keyof typeof words,
  actual: number,
  advice?: string,
): void {
  const maximum = limits[limit];
  if (actual <= maximum) return;
  throw new QueryTooComplexError(
    `The request has ${actual} ${words[limit]}; at most ${maximum} are allowed` +
      (advice === undefined ? "" : `. ${advice}`),
    { limit, maximum, actual },
  );
}
