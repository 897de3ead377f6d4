import type { Repositories } from "../repositories/repositories.ts";
import type { SearchHit, SearchOptions } from "../repositories/search.ts";

/** What an application finds without knowing where it is. */
export interface SearchService {
  /**
   * Contacts, companies, deals, tasks and notes that have the words of a query, the best first.
   *
   * @param query as somebody types it: `"exact phrase"`, `-without`, `or`; the last word may be only
   *   begun, and typing errors are forgiven where little else is found.
   * @throws {ValidationError} where an argument is wrong, with its field.
   */
  search(query: string, options?: SearchOptions): Promise<SearchHit[]>;
}

/** Makes the service of search. */
export function createSearchService({ search }: Pick<Repositories, "search">): SearchService {
  return { search: (query, options) => search(query, options) };
}
