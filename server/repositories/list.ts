import type pg from "pg";

import type { Execute } from "./execute.ts";
import { conditionOf, type Filter } from "./filters.ts";
import { type ListableName, tableOf } from "./listable.ts";
import { type Known, type Loaded, loadedJson, refuseTooManyRelated, type With } from "./loads.ts";
import { type OrderBy, orderingsOf } from "./orders.ts";
import {
  defaultRows,
  type Page,
  pageOf,
  type PageOptions,
  pageSql,
  type Position,
  refuseTooMany,
} from "./pages.ts";
import { createDraft, type Draft } from "./sql.ts";

/** The related rows to read with each row. */
export interface LoadOptions<Name extends ListableName, Loads = With<Name>> {
  readonly with?: (Loads & Known<Name, Loads>) | undefined;
}

/** The order of a list, and the part of it to read. */
export interface ListPart<Name extends ListableName> extends PageOptions {
  /** By default, the newest rows are first; entries of the audit log are in chronological order. */
  readonly orderBy?: OrderBy<Name> | undefined;
}

/** A part of a list, and the related rows to read with each row. */
export interface ListOptions<Name extends ListableName, Loads = With<Name>>
  extends ListPart<Name>, LoadOptions<Name, Loads> {}

/** Reads the rows of a list. */
export interface Reader<Name extends ListableName> {
  /**
   * Returns the rows that match a filter.
   *
   * @throws {ValidationError} if there are more than 1000 rows and neither `first` nor `last`; and if an
   *   option is not valid, by its path.
   */
  findAll<const Loads extends With<Name> | undefined = undefined>(
    filter?: Filter<Name>,
    options?: ListOptions<Name, Loads>,
    client?: pg.ClientBase,
  ): Promise<Loaded<Name, Loads>[]>;
  /**
   * Returns a page of the rows that match a filter; by default the first 100 rows. The next page is found by
   * its `endCursor`: however many rows are added or removed before, pages contain each row once.
   *
   * @throws {ValidationError} if an option is not valid, by its path.
   */
  findPage<const Loads extends With<Name> | undefined = undefined>(
    filter?: Filter<Name>,
    options?: ListOptions<Name, Loads>,
    client?: pg.ClientBase,
  ): Promise<Page<Loaded<Name, Loads>>>;
  /** Returns the number of rows that match a filter. */
  count(filter?: Filter<Name>, client?: pg.ClientBase): Promise<number>;
}

/** A condition that every row of a list satisfies, in addition to the filter. */
export type Base = (alias: string, draft: Draft) => string;

/**
 * Creates the functions that read a list.
 *
 * @param base a condition of the list itself.
 */
export function createReader<Name extends ListableName>(
  execute: Execute,
  name: Name,
  base: Base = () => "true",
): Reader<Name> {
  const table = tableOf(name);

  function read(filter: object, options: AnyOptions) {
    const draft = createDraft();
    const alias = draft.alias();
    // First, so that the names in the order, by which cursors are recognised, do not depend on the rest.
    const ordered = orderingsOf(draft, name, alias, options.orderBy);
    const page = pageSql(draft, name, ordered, options);
    const conditions = [
      base(alias, draft),
      conditionOf(draft, name, alias, filter),
      page.condition,
    ];
    const row = loadedJson(draft, name, alias, options.with);
    const text = `
      select json_build_object('row', ${row}, 'position', ${page.position})::text as row
      from ${table.name} as ${alias}
      ${ordered.joins.join("\n")}
      where ${conditions.filter((condition) => condition !== undefined).join(" and ")}
      order by ${page.orderBy}
      ${page.limit}`;
    return { page, statement: { text, values: draft.values } };
  }

  async function find(filter: object, options: AnyOptions, client: pg.ClientBase | undefined) {
    const { page, statement } = read(filter, options);
    interface Found {
      // The type of the row follows from the options, which the compiler cannot see here.
      readonly row: never;
      readonly position: Position;
    }
    const found = await execute<Found>(statement, undefined, client);
    const listed = pageOf(page, found, options);
    refuseTooManyRelated(name, listed.rows, options.with);
    return { found, listed };
  }

  return {
    async findAll(filter = {}, options: AnyOptions = {}, client) {
      const { found, listed } = await find(filter, options, client);
      if (options.first === undefined && options.last === undefined) refuseTooMany(found);
      return listed.rows;
    },

    async findPage(filter = {}, options: AnyOptions = {}, client) {
      const first = options.last === undefined ? (options.first ?? defaultRows) : undefined;
      return (await find(filter, { ...options, first }, client)).listed;
    },

    async count(filter = {}, client) {
      const draft = createDraft();
      const alias = draft.alias();
      const condition = conditionOf(draft, name, alias, filter) ?? "true";
      const text = `
        select count(*)::text as row
        from ${table.name} as ${alias}
        where ${base(alias, draft)} and ${condition}`;
      const [count = 0] = await execute<number>({ text, values: draft.values }, undefined, client);
      return count;
    },
  };
}

/** The options of any list. */
interface AnyOptions extends PageOptions {
  readonly orderBy?: unknown;
  readonly with?: unknown;
}

/** Returns the statement that reads one row, with related rows. */
export function rowStatement(name: ListableName, id: string, loads: unknown) {
  const draft = createDraft();
  const alias = draft.alias();
  const row = loadedJson(draft, name, alias, loads);
  const text = `
    select ${row}::text as row
    from ${tableOf(name).name} as ${alias}
    where ${alias}.id = ${draft.bind(id, "uuid")}`;
  return { text, values: draft.values };
}

/** Returns the statement that reads rows by their ids, in that order; null for an id without a row. */
export function rowsStatement(name: ListableName, ids: readonly (string | null)[]) {
  const { name: table } = tableOf(name);
  const draft = createDraft();
  const alias = draft.alias();
  const row = loadedJson(draft, name, alias, undefined);
  const text = `
    select (case when ${alias}.id is not null then ${row} else 'null' end)::text as row
    from unnest(${draft.bind(ids, "uuid[]")}) with ordinality as listed (id, ordinal)
    left join ${table} as ${alias} on ${alias}.id = listed.id
    order by listed.ordinal`;
  return { text, values: draft.values };
}
