/**
 * Writes db/schema.sql: the schema of a migrated database as pg_dump 15 tells it, to be read and compared, not
 * to be run. It needs PostgreSQL 15 of apt: apt-get install postgresql-15.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { dumpSchema, postgres15 } from "./dump/schema.ts";
import { withThrowawayDatabase } from "./throwaway.ts";

const text = await withThrowawayDatabase(({ ownerUrl }) => dumpSchema(ownerUrl), postgres15);
await writeFile(join(import.meta.dirname, "../db/schema.sql"), text);
