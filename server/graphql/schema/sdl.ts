import "./environment.ts";

import { type GraphQLSchema, lexicographicSortSchema, printSchema } from "graphql";
import pg from "pg";
import { pino } from "pino";
import { makeSchema } from "postgraphile";

import { clientOptions } from "../../postgres/client.ts";
import { readConfig } from "../../settings.ts";
import { createPgService } from "../../postgres/adaptor.ts";
import { createPreset } from "../preset.ts";

/**
 * Builds the GraphQL schema of a database, as the server does.
 *
 * @param serverUrl of a migrated database, with the login of `crm_server`, whose grants shape the inputs.
 */
export async function makeApi(serverUrl: string): Promise<GraphQLSchema> {
  const { limits, heavy, timeouts } = readConfig({});
  const pool = new pg.Pool({ ...clientOptions(serverUrl), max: 1 });
  try {
    const { schema } = await makeSchema(
      createPreset({
        pgService: createPgService({ pool, schemas: ["crm", "crm_custom"] }),
        constraints: {},
        logger: pino({ level: "silent" }),
        limits,
        heavy,
        timeouts,
        graphiql: false,
        introspection: false,
        persisted: { only: false },
        queriesByGet: false,
      }),
    );
    return schema;
  } finally {
    await pool.end();
  }
}

/**
 * Prints the GraphQL schema of a database, sorted so that equal schemas have equal texts.
 *
 * @param serverUrl see {@link makeApi}.
 */
export async function printApi(serverUrl: string): Promise<string> {
  return `${printSchema(lexicographicSortSchema(await makeApi(serverUrl)))}\n`;
}
