import { createHash } from "node:crypto";

import { getNamedType, type GraphQLEnumType } from "graphql";
import type { PgResource } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { decode, type Order } from "../paging/cursor.ts";
import { createPage, isOrdered, type Ordered } from "../paging/pages.ts";
import type { Values } from "../limits/variables.ts";
import { argumentsOf, type Compiler, type SelectedField } from "./objects.ts";
import { applyArgument, createRows, type FunctionArgument, type Mode, type Rows } from "./rows.ts";
import { NotCompiledError } from "./symbols.ts";

/** The arguments that the page of a list has. */
const pageArguments = ["after", "before", "search", "query", "entityTypes"] as const;

/** The arguments with the size of a page. */
const sizes = ["first", "last", "offset"] as const;

/** The arguments with the cursors at the ends of a page. */
const ends = ["after", "before"] as const;
type End = (typeof ends)[number];

/** A list with its arguments. */
export interface List {
  /** Returns the rows of the whole list. */
  readonly whole: () => Rows;
  readonly page: ListPage;
}

/** What the rows of a list are, if they are not all of a table. */
interface Source {
  /** Applies what limits the list to rows that belong to another row. */
  readonly limit?: (rows: Rows) => void;
  /** The arguments of the function that returns the rows. */
  readonly args?: readonly FunctionArgument[];
}

/** One page of a list. */
export interface ListPage {
  readonly rows: Rows;
  readonly orders: readonly Order[];
  /** The digest in the cursors. */
  readonly digest: SQL;
  /** The maximum number of rows. */
  readonly size: number;
  readonly offset: SQL | undefined;
  /** Whether the page is counted from the end. */
  readonly isLast: boolean;
}

/**
 * Reads the arguments of a list.
 *
 * @param lists the number of lists around it.
 */
export function readList(
  compiler: Compiler,
  resource: PgResource,
  { field, node }: SelectedField,
  lists: number,
  { limit, args }: Source = {},
): List {
  const { name: table } = resource;
  if (!isOrdered(resource)) throw new NotCompiledError(`${table} has no key`);
  const orderBy = field.args.find(({ name }) => name === "orderBy");
  const page = createPage(resource, orderBy && (getNamedType(orderBy.type) as GraphQLEnumType));
  const orderRows = (rows: Rows, given: Values): Ordered | undefined => {
    const values = [given.orderBy, ...pageArguments.map((name) => given[name])];
    return page(values as unknown as Parameters<typeof page>[0])(rows);
  };
  /** Returns the digest of the list that a request asks for. It depends on the text that is searched for. */
  const digestOfList = (values: Values) =>
    orderRows(createRows(resource, { args }), withoutCursors(values))?.digest;
  /** Returns a cursor with the digest of this list: that of a request is compared when it is executed. */
  function ownCursor(values: Values, end: End): string {
    const digest = digestOfList(values);
    const [library, [, value], ...rest] = partsOf(values[end]);
    return Buffer.from(JSON.stringify([library, [digest, value], ...rest])).toString("base64");
  }

  const sent = argumentsOf(compiler.variables, field, node);
  const cursors = ends.filter((end) => sent[end] != null);
  const given =
    cursors.length === 0
      ? sent
      : { ...sent, ...Object.fromEntries(cursors.map((end) => [end, ownCursor(sent, end)])) };
  const make = (mode: Mode) => {
    const rows = createRows(resource, { mode, args });
    limit?.(rows);
    for (const argument of field.args) {
      const { name } = argument;
      const value = given[name];
      if (value === undefined || isOfPage(name)) continue;
      applyArgument(compiler.schema, argument, rows, value);
    }
    return { rows, ordered: orderRows(rows, given) };
  };
  const { rows, ordered } = make("normal");
  if (ordered?.orders.length !== rows.ordered()) {
    throw new NotCompiledError("the list is ordered by more than its page");
  }
  const isSearched = given.search != null || given.query != null;
  if (cursors.length > 0) {
    compiler.require((variables) => {
      const values = argumentsOf(variables, field, node);
      const expected = isSearched ? digestOfList(values) : ordered.digest;
      return cursors.every((end) => digestIn(values[end]) === expected);
    });
  }
  const [first, last, offset] = sizes.map((name) => given[name]);
  if (first != null && last != null) throw new NotCompiledError("both ends are not compiled");
  let digest = sql.literal(ordered.digest);
  if (isSearched) {
    compiler.derive(ordered.digest, (variables) =>
      digestOfList(argumentsOf(variables, field, node)),
    );
    digest = sql`${sql.value(ordered.digest)}::text`;
  }
  if (last != null && offset != null) throw new NotCompiledError("offset from the end is refused");
  return {
    whole: () => make("aggregate").rows,
    page: {
      ...{ rows, digest, orders: ordered.orders },
      size: Number(first ?? last ?? compiler.pageSize(lists)),
      offset: offset == null ? undefined : sql`${sql.value(Number(offset))}::int8`,
      isLast: last != null,
    },
  };
}

function withoutCursors(values: Values): Values {
  return { ...values, after: null, before: null };
}

/** Returns the parts of a cursor; the second has the digest of its list. */
function partsOf(cursor: unknown): [unknown, unknown[], ...unknown[]] {
  const [library, first, ...rest] = decode(cursor as string) ?? [];
  if (!Array.isArray(first)) throw new NotCompiledError("the cursor is not valid");
  return [library, first, ...rest];
}

function digestIn(cursor: unknown): unknown {
  return typeof cursor === "string" ? partsOf(cursor)[1][0] : undefined;
}

function isOfPage(name: string): boolean {
  const known: readonly string[] = ["orderBy", ...pageArguments, ...sizes];
  return known.includes(name);
}

/** Returns the clauses `order by`, `limit` and `offset`. */
export function orderAndLimit({ orders, offset, isLast }: ListPage, limit: number): SQL {
  const parts = orders.map(({ fragment, direction, nulls }) => {
    const isAscending = (direction === "ASC") !== isLast;
    const isNullsLast = (nulls === "LAST") !== isLast;
    // The default of PostgreSQL is left out, so that the text is the same as that of the library.
    const usual = isAscending === isNullsLast;
    return sql`${fragment} ${isAscending ? sql`asc` : sql`desc`}${
      usual ? sql.blank : isNullsLast ? sql` nulls last` : sql` nulls first`
    }`;
  });
  const skipped = offset === undefined ? sql.blank : sql` offset ${offset}`;
  return sql` order by ${sql.join(parts, ", ")} limit ${sql.literal(limit)}${skipped}`;
}

/** Returns the expression of the cursor of a row, as the library and the plugin of pages write it. */
export function cursorOf({ orders, digest }: ListPage): SQL {
  const texts = orders.map(({ fragment }, i) => {
    const text = sql`coalesce(to_json((${fragment})::text)::text, 'null')`;
    return i === 0 ? sql`'["' || ${digest} || '",' || ${text} || ']'` : text;
  });
  const begin = sql.literal(`[${JSON.stringify(libraryDigest(orders))},`);
  const json = sql`${begin} || ${sql.join(texts, " || ',' || ")} || ']'`;
  return sql`translate(encode(convert_to(${json}, 'UTF8'), 'base64'), E'\\n', '')`;
}

/** The digest with which the library begins a cursor: that of the texts of its orders. */
function libraryDigest(orders: readonly Order[]): string {
  const texts = orders.map(({ fragment }) => sql.compile(fragment).text);
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 10);
}
