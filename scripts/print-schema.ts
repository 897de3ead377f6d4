/**
 * Writes the GraphQL API to schema.graphql, as the migrations of this version make it. The database
 * for it is a throwaway of the embedded PostgreSQL.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { printApi } from "../server/graphql/schema/sdl.ts";
import { withThrowawayDatabase } from "./throwaway.ts";

const schema = await withThrowawayDatabase(({ serverUrl }) => printApi(serverUrl));
await writeFile(join(import.meta.dirname, "../schema.graphql"), schema);
