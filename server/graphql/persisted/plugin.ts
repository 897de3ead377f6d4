import { SafeError } from "postgraphile/grafast";
import type { ParsedGraphQLBody } from "postgraphile/grafserv";
import { z } from "zod";

import type { PersistedOperations } from "./operations.ts";

export interface PersistedOptions {
  /** What can be asked for by its id; absent, nothing can. */
  operations?: PersistedOperations | undefined;
  /** Whether nothing else is served. */
  only: boolean;
}

const idSchema = z.string().min(1).optional().catch(undefined);
const apolloSchema = z
  .object({ persistedQuery: z.object({ sha256Hash: idSchema }) })
  .transform(({ persistedQuery }) => persistedQuery.sha256Hash)
  .optional()
  .catch(undefined);

/** The id of an operation as clients send it: Relay and GraphQL's own draft, older ones, Apollo. */
export function persistedIdOf(body: ParsedGraphQLBody): string | undefined {
  return (
    idSchema.parse(body.documentId) ??
    idSchema.parse(body.id) ??
    apolloSchema.parse(body.extensions)
  );
}

/**
 * Refuses what has no document that may be served, before `PersistedPlugin` puts the document in the
 * place of its id. That plugin knows one answer for everything, without a code, and writes what it
 * refuses to standard error, variables included; nothing it would refuse reaches it.
 *
 * A client of Apollo that sends an unknown hash tries again with the document beside it; where
 * documents are served, that is one.
 */
export function createPersistedPlugin(options: PersistedOptions): GraphileConfig.Plugin {
  const { operations, only } = options;
  return {
    name: "CrmPersistedPlugin",
    version: "1.0.0",
    description: "Gives a code to what persisted operations refuse.",
    before: ["PersistedPlugin"],
    grafserv: {
      middleware: {
        async processGraphQLRequestBody(next, { body }) {
          await operations?.refresh();
          const id = persistedIdOf(body);
          const isKnown = id !== undefined && operations?.get(id) !== undefined;
          // Over a socket the protocol wants a text, so that clients send an empty one.
          const hasDocument = typeof body.query === "string" && body.query !== "";
          if (!isKnown && (only || !hasDocument)) throw refusal(id, options);
          return next();
        },
      },
    },
  };
}

/** Codes that begin like this are what Apollo's clients understand. */
function refusal(id: string | undefined, { operations, only }: PersistedOptions): SafeError {
  const refuse = (code: string, message: string) =>
    new SafeError(message, { statusCode: 400, code });
  if (id === undefined && !only) {
    return refuse("BAD_REQUEST", "A request needs a document: a text, called query");
  }
  if (operations === undefined) {
    return refuse("PERSISTED_QUERY_NOT_SUPPORTED", "There are no persisted operations here");
  }
  return id === undefined
    ? refuse("PERSISTED_QUERY_REQUIRED", "Only persisted operations are served here, by their ids")
    : refuse("PERSISTED_QUERY_NOT_FOUND", "There is no persisted operation with this id");
}
