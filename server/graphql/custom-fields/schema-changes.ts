import pg, { type Pool } from "pg";

import { markSchemaChange, rootCause } from "../errors/mask-error.ts";
import { isOutdated } from "../schema/read.ts";

/**
 * Recognises requests that failed because a custom field changed while they were executed by the schema from
 * before: its function has another type by now, or does not exist. They get the code SCHEMA_CHANGED. The
 * names of renamed and deleted fields go on, so few changes have this effect.
 *
 * It asks the database outside of the connection of the request, so it comes before the plugins that hold one.
 *
 * @param pool of the server.
 */
export function createSchemaChangesPlugin(pool: Pool): GraphileConfig.Plugin {
  return {
    name: "CrmSchemaChangesPlugin",
    version: "1.0.0",
    description: "Gives a code to requests that meet a change of custom fields.",
    before: ["CrmMutationsPlugin", "CrmIdempotencyPlugin"],
    grafast: {
      middleware: {
        async execute(next, { args }) {
          const result = await next();
          const causes = "errors" in result ? (result.errors ?? []).map(rootCause) : [];
          const suspects = causes.filter(isSuspect);
          if (suspects.length > 0 && (await isOutdated(args.schema, pool))) {
            suspects.forEach(markSchemaChange);
          }
          return result;
        },
      },
    },
  };
}

/**
 * Returns whether an error may come from a missing or changed function: a name or type that does not exist, a
 * prepared statement whose result has another type now, or an object that vanished between two steps of
 * PostgreSQL.
 */
function isSuspect(cause: Error): boolean {
  if (!(cause instanceof pg.DatabaseError)) return false;
  const { code = "" } = cause;
  return (code.startsWith("42") && code !== "42501") || code === "0A000" || code === "XX000";
}
