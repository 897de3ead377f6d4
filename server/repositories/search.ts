import type pg from "pg";

import type { Rows } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import type { Table } from "../model/tables.ts";
import type { Role } from "../postgres/pool.ts";
import { createExecute } from "./execute.ts";
import { rowJson } from "./sql.ts";

/** The entities that search finds. */
export type SearchableName = {
  [Entity in keyof typeof tables]: (typeof tables)[Entity] extends { readonly searchable: true }
    ? Entity
    : never;
}[keyof typeof tables];

/** A hit of the search with its row, whose type depends on `entityType`. */
export type SearchHit = {
  [Entity in SearchableName]: {
    readonly entityType: Entity;
    readonly entity: Rows[Entity];
    /** The quality of the match, from 0 to 1. */
    readonly rank: number;
    /** A part of the text as HTML, with `<mark>` around the matches and no other markup. */
    readonly extract: string;
  };
}[SearchableName];

export interface SearchOptions {
  /** The entity types to search; by default all that the client knows. */
  readonly entityTypes?: readonly SearchableName[] | undefined;
  /** The maximum number of hits, up to 1000; by default 100. */
  readonly first?: number | undefined;
}

/**
 * Returns the rows that match the words of a query, the best first.
 *
 * @param query in the syntax of web search: `"exact phrase"`, `-without`, `or`. The last word may be
 *   incomplete. At most 1000 characters.
 * @throws {ValidationError} if an argument is not valid, by field.
 */
export type Search = (
  query: string,
  options?: SearchOptions,
  client?: pg.ClientBase,
) => Promise<SearchHit[]>;

/** The searchable tables by the names of their entities. */
const searchable = Object.entries<Table>(tables).filter(([, table]) => table.searchable);

/** The entity types of the database, by the names of the entities. */
const entityTypes = new Map(searchable.map(([entity, { entityType }]) => [entity, entityType]));

/** An SQL expression that depends on the entity type of a hit. */
function byType(expression: (entity: string, table: Table) => string): string {
  const cases = searchable.map(
    ([entity, table]) => `when '${table.entityType}' then ${expression(entity, table)}`,
  );
  return `case hit.entity_type ${cases.join("\n")} end`;
}

const text = `
  select json_build_object(
    'entityType', ${byType((entity) => `'${entity}'`)},
    'entity', ${byType(
      (_, table) =>
        `(select ${rowJson(table, "t")} from ${table.name} as t where t.id = hit.entity_id)`,
    )},
    'rank', hit.rank,
    'extract', hit.extract
  )::text as row
  from crm.search($1, $2::text[], $3::integer) as hit
  order by hit.place`;

/** Creates the call of `crm.search`. */
export function createSearch(pool: pg.Pool, role: Role): Search {
  const execute = createExecute(pool, role);
  return (query, options = {}, client) => {
    // The database refuses unknown names. By default the types that this client knows: an application may
    // have registered others.
    const types = options.entityTypes?.map((entity) => entityTypes.get(entity) ?? entity) ?? [
      ...entityTypes.values(),
    ];
    return execute<SearchHit>({ text, values: [query, types, options.first] }, undefined, client);
  };
}
