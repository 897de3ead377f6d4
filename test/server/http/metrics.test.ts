import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../helpers/server.ts";

const metricsToken = "a token for prometheus".replaceAll(" ", "-");

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestServer(database.serverUrl, { metricsToken });
});
afterAll(async () => {
  await server.close();
  await database.drop();
});

const scrape = (token?: string) =>
  fetch(`${server.url}/metrics`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });

/** The value of a sample, such as `pgcrm_pool_waiting`. */
async function sample(name: string): Promise<number | undefined> {
  const lines = (await (await scrape(metricsToken)).text()).split("\n");
  const value = lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
  return value === undefined ? undefined : Number(value);
}

describe("the metrics", () => {
  test("are for whoever has the token only", async () => {
    expect((await scrape()).status).toBe(401);
    expect((await scrape(`${metricsToken}x`)).status).toBe(401);
    const response = await scrape(metricsToken);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("text/plain");
  });

  test("do not exist without one", async () => {
    const other = await startTestServer(database.serverUrl);
    expect((await fetch(`${other.url}/metrics`)).status).toBe(404);
    await other.close();
  });

  test("count requests by operation and code, whatever they call themselves", async () => {
    for (const name of ["A", "B"]) {
      await server.graphql(`query ${name} { some: companies { totalCount } currentUserId }`);
    }
    await server.graphql(
      `mutation { createCompany(input: { company: { name: " " } }) { company { id } } }`,
    );
    await server.graphql("{ nowhere }");
    await fetch(`${server.url}/graphql`, { method: "POST" });

    const total = (labels: string) => sample(`pgcrm_requests_total{${labels}}`);
    expect(await total('operation="query companies",code="OK"')).toBe(2);
    expect(await total('operation="mutation createCompany",code="VALIDATION_ERROR"')).toBe(1);
    expect(await total('operation="none",code="GRAPHQL_VALIDATION_FAILED"')).toBe(1);
    expect(await total('operation="none",code="UNAUTHENTICATED"')).toBe(1);
    expect(await sample('pgcrm_request_duration_seconds_count{operation="query companies"}')).toBe(
      2,
    );
    expect(
      await sample('pgcrm_request_duration_seconds_sum{operation="query companies"}'),
    ).toBeGreaterThan(0);
  });

  test("tell of the pool and the event loop", async () => {
    expect(await sample('pgcrm_pool_connections{state="idle"}')).toBeGreaterThan(0);
    // The metrics themselves may be asking the database.
    expect(await sample('pgcrm_pool_connections{state="used"}')).toBeLessThanOrEqual(1);
    expect(await sample("pgcrm_pool_waiting")).toBe(0);
    expect(await sample("nodejs_eventloop_lag_p99_seconds")).toBeGreaterThanOrEqual(0);
  });
});
