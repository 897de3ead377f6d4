import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { UnavailableError } from "../../../server/errors/classes.ts";
import { urlPassword } from "../../../server/postgres/database-url.ts";
import { type EmbeddedDatabase, openEmbedded } from "../../../server/embedded/embedded.ts";
import { migrateDatabase } from "../../../server/migrations/migrate.ts";
import { createPool } from "../../../server/postgres/pool.ts";
import { createRepositories } from "../../../server/repositories/repositories.ts";
import { deriveServerUrl } from "../../../server/postgres/server-login.ts";
import { startTestServer, type TestServer } from "../../helpers/server.ts";

// A cluster of this file's own: its roles are those of all databases in it.
let folder: string;
let cluster: EmbeddedDatabase;
let ownerUrl: string;
let serverUrl: string;
let server: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-refused-"));
  chmodSync(folder, 0o755);
  cluster = await openEmbedded({
    folder: join(folder, "postgres"),
    binaries: process.env.PGCRM_TEST_POSTGRES,
    settings: { fsync: "off" },
  });
  await cluster.ensureDatabase("crm");
  ownerUrl = cluster.url("crm");
  serverUrl = deriveServerUrl(ownerUrl);
  await migrateDatabase({ ownerUrl, serverUrl });
  server = await startTestServer(serverUrl);
}, 120_000);

afterAll(async () => {
  await server.close();
  await cluster.close();
  rmSync(folder, { recursive: true });
});

const as = (...statements: string[]) =>
  withConnection(ownerUrl, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
const cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'crm_server'";
const readiness = async () => {
  const response = await fetch(`${server.url}/readyz`);
  return { status: response.status, body: await response.json() };
};

test.each([
  [
    "another password",
    "alter role crm_server password 'another'",
    () => `alter role crm_server password '${urlPassword(serverUrl) ?? ""}'`,
  ],
  ["no login", "alter role crm_server nologin", () => "alter role crm_server login"],
  [
    "no right to connect",
    "revoke connect on database crm from public, crm_server",
    () => "grant connect on database crm to public",
  ],
])(
  "a server whose role has got %s says that it is away, and is back by itself",
  async (_, loss, remedy) => {
    expect((await server.graphql("{ currentUserId }")).status).toBe(200);
    await as(loss, cut);
    for (let i = 0; i < 5; i += 1) {
      const answer = await server.graphql("{ contacts { totalCount } }");
      expect(answer).toMatchObject({
        status: 503,
        errors: [{ extensions: { code: "UNAVAILABLE" } }],
      });
      expect(JSON.stringify(answer)).not.toMatch(/password|crm_server|permission/);
    }
    expect(await readiness()).toEqual({
      status: 503,
      body: { ready: false, reason: "the database refuses the login of the server" },
    });
    const pool = createPool({ connectionString: serverUrl, connectAttempts: 1 });
    await expect(createRepositories(pool).contacts.findAll()).rejects.toThrow(UnavailableError);
    await pool.end();

    await as(remedy());
    expect(await readiness()).toEqual({ status: 200, body: { ready: true } });
    expect((await server.graphql("{ contacts { totalCount } }")).status).toBe(200);
  },
  60_000,
);

test("the log says why, for whoever runs the server", () => {
  expect(server.log).toContainEqual(
    expect.objectContaining({
      level: 40,
      code: "UNAVAILABLE",
      requestId: expect.any(String),
      err: expect.objectContaining({
        message: expect.stringContaining("password authentication failed"),
      }),
    }),
  );
});
