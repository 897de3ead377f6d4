import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { migrateDatabase } from "../../../server/migrations/migrate.ts";
import { createTestDatabase, type TestDatabase, untilWaiting } from "../../helpers/database.ts";
import { startTestServer, type TestServer, useTestServer } from "../../helpers/server.ts";

const crm = useTestServer();

describe("the server", () => {
  test("is healthy, and ready when the migrations are current", async () => {
    expect(await (await fetch(`${crm.url}/healthz`)).json()).toEqual({ ok: true });
    expect(await (await fetch(`${crm.url}/readyz`)).json()).toEqual({ ready: true });
  });

  test("gives nothing about itself away in its headers", async () => {
    const { headers } = await fetch(`${crm.url}/healthz`);
    expect(headers.has("x-powered-by")).toBe(false);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("logs a request with user, role and operation, and without token, query and variables", async () => {
    await crm.graphql(
      `query Acme($n: String!) { companies(filter: { name: { equalTo: $n } }) { totalCount } }`,
      {
        n: "confidential",
      },
    );
    const lines = crm.log.filter((line) => "req" in line);
    expect(lines.at(-1)).toMatchObject({
      req: { method: "POST", path: "/graphql" },
      res: { statusCode: 200 },
      responseTime: expect.any(Number),
      user: "tester",
      role: "crm_admin",
      operation: "query companies",
      operationName: "Acme",
    });
    expect(JSON.stringify(lines)).not.toMatch(/Bearer|authorization|confidential|equalTo/i);
  });

  test("answers a body that is no request in the shape of GraphQL", async () => {
    const signed = await fetch(`${crm.url}/graphql`, { method: "POST", body: "{" });
    expect(signed.status).toBe(401);
    expect(await signed.json()).toHaveProperty("errors");
  });
});

describe("GraphiQL", () => {
  const tokens = { admin: "a.b.c", member: "m.b.c", reader: "r.b.c" };

  test("is served with its token in development", async () => {
    const server = await startTestServer(crm.database.serverUrl, { graphiqlTokens: tokens });
    const page = await fetch(server.url, { headers: { accept: "text/html" } });
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("a.b.c");
    await server.close();
  });

  test("has no token for other machines, nor for pages that name this one otherwise", async () => {
    const server = await startTestServer(crm.database.serverUrl, { graphiqlTokens: tokens });
    const page = async (headers: Record<string, string>) => {
      const asking = request(server.url, { headers: { accept: "text/html", ...headers } }).end();
      const [response] = (await once(asking, "response")) as [IncomingMessage];
      expect(response.statusCode).toBe(200);
      return text(response);
    };
    expect(await page({ host: "localhost:5000" })).toContain("a.b.c");
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:5000"]) {
      expect(await page({ host })).not.toContain("a.b.c");
    }
    await server.close();
  });

  test("has no token for who comes through a proxy, whatever name that gives this machine", async () => {
    const server = await startTestServer(crm.database.serverUrl, { graphiqlTokens: tokens });
    const { port } = new URL(server.url);
    const page = async (version: string, ...headers: string[]) => {
      const socket = connect(Number(port), "127.0.0.1");
      const lines = [`GET / HTTP/${version}`, `Host: localhost:${port}`, "Accept: text/html"];
      socket.write([...lines, ...headers, "Connection: close", "", ""].join("\r\n"));
      return text(socket);
    };
    expect(await page("1.1")).toContain("a.b.c");
    expect(await page("1.0")).not.toContain("a.b.c");
    for (const header of [
      ...["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: crm.example", "Via: 1.1 proxy"],
      ...["Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1", "X-Forwarded-Proto: https"],
    ]) {
      expect(await page("1.1", header)).not.toContain("a.b.c");
    }
    await server.close();
  });

  test("is not served in production", async () => {
    const server = await startTestServer(crm.database.serverUrl, {
      graphiqlTokens: tokens,
      production: true,
    });
    expect((await fetch(server.url, { headers: { accept: "text/html" } })).status).toBe(404);
    await server.close();
  });
});

describe("readiness", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startTestServer(database.serverUrl);
  });
  afterAll(() => server.close());

  const change = (text: string) =>
    withConnection(database.ownerUrl, (client) => client.query(text));
  const readiness = async () => {
    const response = await fetch(`${server.url}/readyz`);
    return [response.status, await response.json()];
  };

  test("is denied while a migration is missing or another one", async () => {
    const rename = (from: string, to: string) =>
      change(`update crm_migrations.migrations set hash = ${to} where hash = ${from}`);
    const { rows } = await change("select hash from crm_migrations.migrations order by filename");
    const [{ hash }] = rows as [{ hash: string }];
    await rename(`'${hash}'`, "'sha1:x'");
    expect(await readiness()).toEqual([
      503,
      { ready: false, reason: "migrations are not current" },
    ]);
    await rename("'sha1:x'", `'${hash}'`);
    expect(await readiness()).toEqual([200, { ready: true }]);
  });

  test("is kept when a newer version has migrated, until its schema needs newer servers", async () => {
    await change(
      "insert into crm_migrations.migrations (hash, filename) values ('sha1:x', '999998.sql')",
    );
    expect(await readiness()).toEqual([200, { ready: true }]);
    // Another one of this version starts, too, and migrates nothing.
    const { ownerUrl } = database;
    expect(await migrateDatabase({ ownerUrl, acceptsNewer: true })).toEqual([]);
    await expect(migrateDatabase({ ownerUrl })).rejects.toThrow("which this version does not have");

    await change(
      `create or replace function crm_private.oldest_server() returns text language sql immutable
         as $$ select '999999'::text $$`,
    );
    expect(await readiness()).toEqual([
      503,
      { ready: false, reason: "the database requires a newer version of the server" },
    ]);
    await expect(migrateDatabase({ ownerUrl, acceptsNewer: true })).rejects.toThrow(
      "which this version does not have",
    );
  });

  test("is denied while the database is away; health is not", async () => {
    await database.drop();
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });
});

test("a server that closes lets a running request finish, and refuses new ones", async () => {
  const database = await createTestDatabase();
  const server = await startTestServer(database.serverUrl);
  await withConnection(database.ownerUrl, async (client) => {
    await client.query("begin");
    await client.query("lock table crm.companies in access exclusive mode");
    const running = server.graphql("{ companies { totalCount } }");
    await untilWaiting(client);
    const closed = server.close();
    expect(await server.graphql("{ currentUserId }")).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: "UNAVAILABLE" } }],
    });
    expect(await (await fetch(`${server.url}/readyz`)).json()).toEqual({
      ready: false,
      reason: "the server is stopping",
    });
    expect((await fetch(`${server.url}/healthz`)).headers.get("connection")).toBe("close");
    await client.query("commit");
    expect(await running).toMatchObject({ data: { companies: { totalCount: 0 } } });
    await closed;
    await expect(fetch(server.url)).rejects.toThrow();
  });
  await database.drop();
});

test("a server that closes cuts what runs longer than the grace period", async () => {
  const database = await createTestDatabase();
  const server = await startTestServer(database.serverUrl, { shutdownGrace: 300 });
  await withConnection(database.ownerUrl, async (client) => {
    await client.query("begin");
    await client.query("lock table crm.companies in access exclusive mode");
    const running = server.graphql("{ companies { totalCount } }");
    running.catch(() => undefined);
    await untilWaiting(client);
    await server.close();
    await expect(running).rejects.toThrow();
  });
  await database.drop();
});

test("a server whose database does not exist does not start", async () => {
  const database = await createTestDatabase();
  await database.drop();
  await expect(startTestServer(database.serverUrl)).rejects.toThrow();
});
