/**
 * Writes the GraphQL API to schema.graphql, as the migrations of this version make it. The database
 * for it is a throwaway of the embedded PostgreSQL.
 */

import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openEmbedded } from "../server/embedded.ts";
import { printApi } from "../server/graphql/sdl.ts";
import { applyCurrent } from "../server/migrate.ts";
import { deriveServerUrl } from "../server/serverLogin.ts";

const folder = await mkdtemp(join(tmpdir(), "pgcrm-schema-"));
await chmod(folder, 0o755); // PostgreSQL may run as another user
const database = await openEmbedded({ folder: join(folder, "postgres") });
try {
  await database.ensureDatabase("crm");
  const ownerUrl = database.url("crm");
  const serverUrl = deriveServerUrl(ownerUrl);
  await applyCurrent({ ownerUrl, serverUrl });
  await writeFile(join(import.meta.dirname, "../schema.graphql"), await printApi(serverUrl));
} finally {
  await database.close();
  await rm(folder, { recursive: true, force: true });
}
