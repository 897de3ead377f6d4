import type { PgResource, PgSelectQueryBuilder } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { relationsOf } from "../paging/relations.ts";

/** The order of a list by how well its rows match the search, the best first. */
export const relevance = "RELEVANCE";

/**
 * Returns the entity type of a table in which search finds rows; undefined for other tables, and for the
 * results of functions. Hits of a search have a relation for each of these tables.
 */
export function searchedTypeOf(resource: PgResource): string | undefined {
  const hits = resource.registry.pgResources.search as PgResource | undefined;
  if (hits === undefined || resource.parameters) return undefined;
  const found = relationsOf(hits).find(
    ([, { remoteResource, isReferencee }]) => remoteResource === resource && !isReferencee,
  );
  return found?.[1].localAttributes[0]?.replace(/_id$/, "");
}

/** Returns whether a list is searched. A blank text is what an empty search box sends. */
export function isSearch(search: string | null | undefined): search is string {
  return search != null && search.trim() !== "";
}

/**
 * Limits a list to the rows that a search finds.
 *
 * The rows are joined, not filtered by `search_document`: the search finds misspelt words and phone numbers,
 * too, and the planner cannot be led to scan the index of the order instead of those of the search.
 *
 * @returns the alias of the hits, with their ranks.
 */
export function joinHits(rows: PgSelectQueryBuilder, entityType: string, search: string): SQL {
  const alias = sql.identifier(Symbol("hit"));
  rows.join({
    type: "inner",
    from: sql`crm_private.search_rows(${sql.value(entityType)}::text, ${sql.value(search)}::text)`,
    alias,
    conditions: [sql`${alias}.entity_id = ${rows.alias}.id`],
  });
  return alias;
}
