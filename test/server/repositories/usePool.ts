import { afterAll, beforeAll } from "@jest/globals";
import type pg from "pg";

import { createPool } from "../../../server/postgres/pool.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";

/** Gives every test of a file the same pool, over a database that is dropped after the last. */
export function usePool(): { readonly pool: pg.Pool; readonly database: TestDatabase } {
  let database: TestDatabase;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await createTestDatabase();
    pool = createPool({ connectionString: database.serverUrl });
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });
  return {
    get pool() {
      return pool;
    },
    get database() {
      return database;
    },
  };
}
