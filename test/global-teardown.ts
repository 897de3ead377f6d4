import { rm } from "node:fs/promises";

import "./global-setup.ts";

/** Stops the throwaway PostgreSQL and removes its data. */
export default async function teardown(): Promise<void> {
  const cluster = globalThis.testCluster;
  if (cluster === undefined) return;
  await cluster.database.close();
  await rm(cluster.folder, { recursive: true });
}
