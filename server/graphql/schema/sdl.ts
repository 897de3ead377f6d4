import "./environment.ts";

import { lexicographicSortSchema, printSchema } from "graphql";
import pg from "pg";
import { pino } from "pino";
import { makeSchema } from "postgraphile";

import { clientOptions } from "../../postgres/client.ts";
import { readConfig } from "../../settings.ts";
import { createPgService } from "../../postgres/adaptor.ts";
import { createPreset } from "../preset.ts";

/**
 * The API that a database yields, in GraphQL's schema language, sorted so that equal schemas are
 * equal texts.
 *
 * @param serverUrl a migrated database, with the login of `crm_server`: its grants shape the inputs
 */
export async function printApi(serverUrl: string): Promise<string> {
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
    return `${printSchema(lexicographicSortSchema(schema))}\n`;
  } finally {
    await pool.end();
  }
}
