import { afterAll, beforeAll, jest } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { createPool } from "../../server/postgres/pool.ts";
import { startTestServer, type TestServer } from "../helpers/server.ts";
import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import type { Api } from "./api.ts";
import { createGraphqlApi } from "./graphql-api.ts";
import { createRepositoryApi } from "./repository-api.ts";
import { createSqlApi } from "./sql-api.ts";

/** Every API there is. What they lead to may be opened later. */
export function createApis(server: () => TestServer, pool: () => pg.Pool): Api[] {
  return [createGraphqlApi(server), createRepositoryApi(pool), createSqlApi(pool)];
}

/**
 * Opens every API of one database, which is the file's own.
 *
 * @returns the APIs, closed until the first test runs.
 */
export function openApis(): { apis: Api[]; ownerUrl: () => string } {
  jest.setTimeout(360_000);
  let database: TestDatabase;
  let server: TestServer;
  let pool: pg.Pool;

  beforeAll(async () => {
    database = await createTestDatabase();
    // No law is about custom fields as fields of their own, for which the schema would be made anew each time.
    server = await startTestServer(database.serverUrl, { customFieldsInterval: undefined });
    pool = createPool({ connectionString: database.serverUrl, max: 4 });
  });
  afterAll(async () => {
    await pool.end();
    await server.close();
    await database.drop();
  });

  return {
    apis: createApis(
      () => server,
      () => pool,
    ),
    ownerUrl: () => database.ownerUrl,
  };
}

/** On another PostgreSQL than the embedded one the same laws hold: it is tried with fewer inputs. */
const fewer = process.env.PGCRM_TEST_POSTGRES === undefined ? {} : { numRuns: 25 };

/**
 * Puts a law to the test with a hundred inputs. A failure tells its seed, its path and the smallest
 * input that was found to break the law; the search for it ends before the test's time is up.
 */
export async function holds<Input>(
  inputs: fc.Arbitrary<Input>,
  law: (input: Input) => Promise<void>,
): Promise<void> {
  await fc.assert(fc.asyncProperty(inputs, law), {
    numRuns: 100,
    ...fewer,
    interruptAfterTimeLimit: 300_000,
    markInterruptAsFailure: true,
  });
}
