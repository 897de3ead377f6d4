import { mkdtempSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { withConnection } from "../server/postgres/connect.ts";
import { type EmbeddedDatabase, openEmbedded } from "../server/embedded/embedded.ts";
import { applyCurrent } from "../server/migrations/migrate.ts";
import { deriveServerUrl } from "../server/postgres/server-login.ts";
import { sharedDatabase, templateDatabase } from "./helpers/cluster.ts";

/** What the teardown needs. */
export interface TestCluster {
  readonly folder: string;
  readonly database: EmbeddedDatabase;
}

declare global {
  var testCluster: TestCluster | undefined;
}

/**
 * Starts a throwaway PostgreSQL that forgets on a crash, and makes the template of all tests: every
 * committed migration and then the uncommitted one.
 */
export default async function setup({ maxWorkers }: { maxWorkers: number }): Promise<void> {
  if (process.env.PGCRM_TEST_OWNER_URL !== undefined) return; // made by test/mutants/run.ts
  const folder = mkdtempSync(join(tmpdir(), "pgcrm-test-"));
  await chmod(folder, 0o755); // PostgreSQL may run as another user
  const database = await openEmbedded({
    folder: join(folder, "postgres"),
    binaries: process.env.PGCRM_TEST_POSTGRES,
    settings: {
      ...{ fsync: "off", synchronous_commit: "off", full_page_writes: "off" },
      jit: "off", // as the roles have it that log in
    },
  });
  globalThis.testCluster = { folder, database };

  const ownerUrl = database.url(templateDatabase);
  await database.ensureDatabase(templateDatabase);
  await applyCurrent({ ownerUrl, serverUrl: deriveServerUrl(ownerUrl) });
  process.env.PGCRM_TEST_OWNER_URL = database.url("postgres");
  for (let worker = 1; worker <= maxWorkers; worker += 1) {
    const name = sharedDatabase(worker);
    await database.ensureDatabase(name, templateDatabase);
    await withConnection(
      ownerUrl,
      (client) => client.query(`revoke temporary on database ${name} from public`), // is not copied
    );
  }
}
