import type { Repositories } from "../repositories/repositories.ts";
import type { SearchHit, SearchOptions } from "../repositories/search.ts";

/** The search over all entities. */
export interface SearchService {
  /**
   * Returns the rows of all entities that match the words of a query, the best first.
   *
   * @param query as typed by a user: `"exact phrase"`, `-without`, `or`. The last word may be incomplete, and
   *   misspelt words match if there are few other hits.
   * @throws {ValidationError} if an argument is not valid, by field.
   */
  search(query: string, options?: SearchOptions): Promise<SearchHit[]>;
}

/** Creates the service of search. */
export function createSearchService({ search }: Pick<Repositories, "search">): SearchService {
  return { search: (query, options) => search(query, options) };
}
