import { SafeError } from "postgraphile/grafast";
import type { ParsedGraphQLBody } from "postgraphile/grafserv";
import { z } from "zod";

import type { PersistedOperations } from "./operations.ts";

export interface PersistedOptions {
  /** The persisted operations; absent, there are none. */
  operations?: PersistedOperations | undefined;
  /** Whether all other operations are refused. */
  only: boolean;
}

const idSchema = z.string().min(1).optional().catch(undefined);
const apolloSchema = z
  .object({ persistedQuery: z.object({ sha256Hash: idSchema }) })
  .transform(({ persistedQuery }) => persistedQuery.sha256Hash)
  .optional()
  .catch(undefined);

/** Returns the id of an operation as sent by Relay and the draft of GraphQL, older clients, or Apollo. */
export function persistedIdOf(body: ParsedGraphQLBody): string | undefined {
  return (
    idSchema.parse(body.documentId) ??
    idSchema.parse(body.id) ??
    apolloSchema.parse(body.extensions)
  );
}

/**
 * Refuses requests without a document that may be served, before `PersistedPlugin` replaces the id by its
 * document. That plugin has one response for all refusals, without a code, and writes the refused requests
 * to standard error, variables included. No request that it would refuse reaches it.
 *
 * A client of Apollo that sends an unknown hash repeats the request with hash and document. It is executed
 * if documents are allowed.
 */
export function createPersistedPlugin(options: PersistedOptions): GraphileConfig.Plugin {
  const { operations, only } = options;
  return {
    name: "CrmPersistedPlugin",
    version: "1.0.0",
    description: "Gives error codes to refused persisted operations.",
    before: ["PersistedPlugin"],
    grafserv: {
      middleware: {
        async processGraphQLRequestBody(next, { body }) {
          await operations?.refresh();
          const id = persistedIdOf(body);
          const isKnown = id !== undefined && operations?.get(id) !== undefined;
          // The WebSocket protocol requires a query, so clients send an empty one.
          const hasDocument = typeof body.query === "string" && body.query !== "";
          if (!isKnown && (only || !hasDocument)) throw refusal(id, options);
          return next();
        },
      },
    },
  };
}

/** Creates the error; codes that begin with PERSISTED_QUERY are those that clients of Apollo handle. */
function refusal(id: string | undefined, { operations, only }: PersistedOptions): SafeError {
  const refuse = (code: string, message: string) =>
    new SafeError(message, { statusCode: 400, code });
  if (id === undefined && !only) {
    return refuse("BAD_REQUEST", "A request requires a document, as the string query");
  }
  if (operations === undefined) {
    return refuse("PERSISTED_QUERY_NOT_SUPPORTED", "This server has no persisted operations");
  }
  return id === undefined
    ? refuse(
        "PERSISTED_QUERY_REQUIRED",
        "This server only executes persisted operations, by their ids",
      )
    : refuse("PERSISTED_QUERY_NOT_FOUND", "There is no persisted operation with this id");
}
