/** The migrated database that every test database is a copy of; nobody connects to it. */
export const templateDatabase = "crm_template";

/** A copy for the tests that roll everything back. */
export const sharedDatabase = "crm_shared";

/** The superuser's URL of the database `postgres` on the cluster of this test run. */
export function clusterUrl(): string {
  const url = process.env.PGCRM_TEST_OWNER_URL;
  if (url === undefined) throw new Error("The tests are run by npm test, which starts PostgreSQL.");
  return url;
}
