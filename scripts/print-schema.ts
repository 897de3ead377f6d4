/**
 * Writes the GraphQL API to schema.graphql, from a temporary embedded database with the migrations of this
 * version.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { printApi } from "../server/graphql/schema/sdl.ts";
import { withThrowawayDatabase } from "./throwaway.ts";

const schema = await withThrowawayDatabase(({ serverUrl }) => printApi(serverUrl));
await writeFile(join(import.meta.dirname, "../schema.graphql"), schema);
