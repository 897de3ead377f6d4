// The configuration of urql's normalized cache.

import { cacheExchange, type CacheExchangeOpts } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import type { Exchange } from "@urql/core";
import type { IntrospectionQuery } from "graphql";

import introspection from "./schema.json" with { type: "json" };

const schema = introspection as unknown as IntrospectionQuery;

/** Objects without an id are no rows: the cache keeps each as a part of the object that contains it. */
const keys = Object.fromEntries(
  schema.__schema.types
    .filter((type) => type.kind === "OBJECT" && !type.fields.some(({ name }) => name === "id"))
    .map(({ name }) => [name, () => null]),
);

/**
 * Creates the cache. Pages of the list of contacts become one list.
 *
 * @param options more options, such as `updates`.
 */
export function createCache(options: CacheExchangeOpts = {}): Exchange {
  return cacheExchange({
    schema,
    keys,
    resolvers: { Query: { contacts: relayPagination() } },
    ...options,
  });
}
