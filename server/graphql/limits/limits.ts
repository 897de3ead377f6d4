import { QueryTooComplexError } from "../../errors/classes.ts";

/** The most that one request may ask for. */
export interface Limits {
  /** Bytes of a request's body. */
  readonly bodyBytes: number;
  /** Bytes of the body of a bulk mutation; not less than `bodyBytes`. */
  readonly bulkBodyBytes: number;
  /** Characters of a document. Values belong into variables. */
  readonly characters: number;
  /** Lexical tokens of a document. */
  readonly tokens: number;
  /** Fields inside fields. */
  readonly depth: number;
  /** Fields in all; a fragment's count wherever it is spread. */
  readonly fields: number;
  /** Fields under another name; a fragment's count wherever it is spread. */
  readonly aliases: number;
  /** Directives; a fragment's count wherever it is spread. */
  readonly directives: number;
  /** Fields of a query at its outermost level. */
  readonly rootFields: number;
  /** Fields of a mutation at its outermost level. */
  readonly mutations: number;
  /** Lists inside lists. */
  readonly lists: number;
  /** Rows, if every page is full: the product of the page sizes along each path, summed. */
  readonly rows: number;
  /** Reads of all rows of a table. */
  readonly scans: number;
  /** Rows of one page. */
  readonly pageSize: number;
  /** Rows of a page whose size the client leaves open. */
  readonly defaultPageSize: number;
  /** The same of a list in the rows of another list; not more than `defaultPageSize`. */
  readonly innerPageSize: number;
  /** Groups of one list, which come all at once. */
  readonly groups: number;
  /** Fields of one filter, those of what it holds included. */
  readonly filterNodes: number;
  /** Fields inside fields of one filter. */
  readonly filterDepth: number;
  /** Values in the lists of one filter, all of them together. */
  readonly filterValues: number;
  /** Orders of one list. */
  readonly orderings: number;
  /** Objects and lists inside each other in the value of one variable. */
  readonly variableDepth: number;
}

/**
 * The rows of a page whose size the client leaves open.
 *
 * @param lists how many lists there are around it.
 */
export function pageSizeOf({ defaultPageSize, innerPageSize }: Limits, lists: number): number {
  return lists === 0 ? defaultPageSize : Math.min(defaultPageSize, innerPageSize);
}

/** What is counted, as the end of a sentence that begins with "at most 12". */
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
 * @param advice what could be done about it.
 * @throws {QueryTooComplexError} where a request has more than the limit allows.
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
