/**
 * Writes db/schema.sql: the schema of a migrated database as dumped by pg_dump 15. It is for reading and
 * comparing, not for running. Requires PostgreSQL 15 of apt: apt-get install postgresql-15.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { dumpSchema, postgres15 } from "./dump/schema.ts";
import { withThrowawayDatabase } from "./throwaway.ts";

const text = await withThrowawayDatabase(({ ownerUrl }) => dumpSchema(ownerUrl), postgres15);
await writeFile(join(import.meta.dirname, "../db/schema.sql"), text);
