import type pg from "pg";

import type { Rows } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import type { Role } from "../postgres/pool.ts";
import { createExecute } from "./execute.ts";
import { rowJson } from "./sql.ts";

/** What search finds. */
export type SearchableName = "contact" | "company" | "deal" | "task" | "note";

/** Something that search found, with its row; `entityType` tells which kind of row. */
export type SearchHit = {
  [Entity in SearchableName]: {
    readonly entityType: Entity;
    readonly entity: Rows[Entity];
    /** How well it matches, between 0 and 1. */
    readonly rank: number;
    /** HTML: `<mark>` around what was found, and no other markup. */
    readonly extract: string;
  };
}[SearchableName];

export interface SearchOptions {
  /** What is looked for; all of it, if not given. */
  readonly entityTypes?: readonly SearchableName[] | undefined;
  /** How many hits there are at most: 100, if not given, and never more than 1000. */
  readonly first?: number | undefined;
}

/**
 * Finds what has the words of a query, the best first.
 *
 * @param query in the syntax of web search: `"exact phrase"`, `-without`, `or`; the last word may be
 *   only begun. At most 1000 characters.
 * @throws {ValidationError} where an argument is wrong, with its field.
 */
export type Search = (
  query: string,
  options?: SearchOptions,
  client?: pg.ClientBase,
) => Promise<SearchHit[]>;

const entities: readonly SearchableName[] = ["contact", "company", "deal", "task", "note"];

const text = `
  select json_build_object(
    'entityType', hit.entity_type,
    'entity', case hit.entity_type
      ${entities
        .map(
          (entity) =>
            `when '${entity}' then (
              select ${rowJson(tables[entity], "t")}
              from ${tables[entity].name} as t
              where t.id = hit.entity_id
            )`,
        )
        .join("\n")}
    end,
    'rank', hit.rank,
    'extract', hit.extract
  )::text as row
  from crm.search($1, $2::text[], $3::integer) as hit
  order by hit.place`;

/** Makes the call of `crm.search`. */
export function createSearch(pool: pg.Pool, role: Role): Search {
  const execute = createExecute(pool, role);
  return (query, { entityTypes, first } = {}, client) =>
    execute<SearchHit>({ text, values: [query, entityTypes, first] }, undefined, client);
}
