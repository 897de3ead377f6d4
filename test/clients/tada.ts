// gql.tada: the types of operations are inferred from their text. introspection.d.ts is written by
// `gql.tada generate-output`.

import { initGraphQLTada } from "gql.tada";

import type { introspection } from "./introspection.d.ts";

/** Parses an operation. Its result and variables have these types for the scalars. */
export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: {
    BigFloat: string;
    BigInt: string;
    Cursor: string;
    Date: string;
    Datetime: string;
    JSON: unknown;
  };
}>();
