/** The migrated database that every test database is a copy of; nobody connects to it. */
export const templateDatabase = "crm_template";

/**
 * A copy for the tests that roll everything back: one for each of jest's workers, numbered from 1,
 * because an open transaction may hold locks that another file's tests would wait for.
 */
export function sharedDatabase(worker = Number(process.env.JEST_WORKER_ID)): string {
  return `crm_shared_${worker}`;
}

/** The superuser's URL of the database `postgres` on the cluster of this test run. */
export function clusterUrl(): string {
  const url = process.env.PGCRM_TEST_OWNER_URL;
  if (url === undefined) throw new Error("The tests are run by npm test, which starts PostgreSQL.");
  return url;
}
