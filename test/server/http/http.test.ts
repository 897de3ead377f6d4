import { connect } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { getIntrospectionQuery } from "graphql";

import { signToken } from "../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { jwtSecret, startTestServer, type TestServer } from "../../helpers/server.ts";

const query = JSON.stringify({ query: "{ currentUserId }" });
const byGet = `/graphql?query=${encodeURIComponent("query Me { currentUserId }")}&operationName=Me`;
const friend = "https://crm.example";

let database: TestDatabase;
let server: TestServer;
let production: TestServer;
let authorization: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const options = { allowedOrigins: [friend], timeouts: { request: 500 } };
  server = await startTestServer(database.serverUrl, options);
  production = await startTestServer(database.serverUrl, { production: true });
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
  authorization = `Bearer ${token}`;
});
afterAll(async () => {
  await server.close();
  await production.close();
  await database.drop();
});

type Init = Omit<RequestInit, "headers"> & { headers?: Record<string, string> };

async function ask(init: Init = {}, path = "/graphql") {
  const response = await fetch(`${server.url}${path}`, {
    method: "POST",
    body: query,
    ...init,
    headers: { authorization, "content-type": "application/json", ...init.headers },
  });
  return response;
}

const get = { method: "GET", body: null };
const code = async (response: Response) => {
  const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] };
  return errors?.[0]?.extensions.code;
};

describe("every answer", () => {
  test.each(["/graphql", "/healthz", "/readyz", "/", "/nowhere"])(
    "of %s carries the headers that keep browsers safe, and none that names the server",
    async (path) => {
      const { headers } = await ask(get, path);
      expect(headers.has("x-powered-by")).toBe(false);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("content-security-policy")).toContain("default-src");
    },
  );

  test("that is data may load and run nothing", async () => {
    const policy = "default-src 'none'; frame-ancestors 'none'";
    expect((await ask()).headers.get("content-security-policy")).toBe(policy);
    const page = await fetch(production.url);
    expect(page.status).toBe(404);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  });
});

describe("what HTTP refuses has a code", () => {
  test.each([
    [400, "BAD_REQUEST", { body: "{" }],
    [400, "BAD_REQUEST", { body: "[]" }],
    [400, "BAD_REQUEST", { body: "{}" }],
    [400, "BAD_REQUEST", { body: "" }],
    [400, "BAD_REQUEST", { body: JSON.stringify({ query: 7 }) }],
    [405, "METHOD_NOT_ALLOWED", { method: "PUT" }],
    [405, "METHOD_NOT_ALLOWED", { method: "DELETE", body: null }],
    [406, "NOT_ACCEPTABLE", { headers: { accept: "image/png" } }],
    [406, "NOT_ACCEPTABLE", { headers: { accept: 'text/"' } }],
    [413, "PAYLOAD_TOO_LARGE", { body: JSON.stringify({ query: " ".repeat(1_000_001) }) }],
    [415, "UNSUPPORTED_MEDIA_TYPE", { headers: { "content-type": "text/plain" } }],
    [
      415,
      "UNSUPPORTED_MEDIA_TYPE",
      { headers: { "content-type": "application/x-www-form-urlencoded" } },
    ],
    [415, "UNSUPPORTED_MEDIA_TYPE", { headers: { "content-type": "application/graphql" } }],
  ])("%d: %s", async (status, expected, init) => {
    const response = await ask(init);
    expect(response.status).toBe(status);
    expect(await code(response)).toBe(expected);
  });

  test("405 for a mutation by GET", async () => {
    const response = await ask(get, "/graphql?query=mutation{__typename}");
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, POST");
    expect(await code(response)).toBe("METHOD_NOT_ALLOWED");
  });
});

describe("a page of another origin", () => {
  const preflight = (origin: string) =>
    ask({
      method: "OPTIONS",
      body: null,
      headers: { origin, "access-control-request-method": "POST" },
    });

  test.each([
    [friend],
    ["http://localhost:5173"],
    ["https://localhost"],
    ["http://127.0.0.1:3000"],
    ["http://[::1]:3000"],
    ["http://crm.localhost:8080"],
  ])("may ask where it is allowed, as those of this machine are: %s", async (origin) => {
    const allowed = await preflight(origin);
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get("access-control-allow-methods")).toBe("GET, POST");
    expect(allowed.headers.get("access-control-allow-headers")).toContain("authorization");
    const answer = await ask({ headers: { origin } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
    expect(answer.headers.get("vary")).toMatch(/origin/i);
    expect(await answer.json()).toEqual({ data: { currentUserId: "tester" } });
  });

  test("reads errors too, also of a request without a token", async () => {
    const response = await ask({ headers: { origin: friend, authorization: "" } });
    expect(response.status).toBe(401);
    expect(response.headers.get("access-control-allow-origin")).toBe(friend);
  });

  test.each([
    "https://evil.example",
    "https://crm.example.evil.example",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "file://localhost",
    "null",
    "",
  ])("may not ask where it is %s, and hears of the setting", async (origin) => {
    const refused = await preflight(origin);
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({
      errors: [
        {
          message: expect.stringContaining("ALLOWED_ORIGINS"),
          extensions: { code: "FORBIDDEN" },
        },
      ],
    });
    const asked = await ask({ headers: { origin } });
    for (const response of [refused, asked]) {
      expect(response.headers.has("access-control-allow-origin")).toBe(false);
      expect(response.headers.get("vary")).toMatch(/origin/i);
    }
  });

  test("may not ask in production unless its origin is listed; one line of the log says so", async () => {
    const origin = "http://localhost:5173";
    const headers = { origin, "access-control-request-method": "POST" };
    for (let i = 0; i < 3; i += 1) {
      const response = await fetch(`${production.url}/graphql`, { method: "OPTIONS", headers });
      expect(response.status).toBe(403);
      expect(response.headers.has("access-control-allow-origin")).toBe(false);
    }
    const isAboutIt = (line: Record<string, unknown>) => line.origin === origin;
    expect(production.log.filter(isAboutIt)).toEqual([
      expect.objectContaining({ level: 40, msg: expect.stringContaining("ALLOWED_ORIGINS") }),
    ]);
    for (let i = 0; i < 200; i += 1) {
      await fetch(`${production.url}/graphql`, {
        method: "OPTIONS",
        headers: { ...headers, origin: `https://${i}.example` },
      });
    }
    expect(production.log.filter((line) => line.origin !== undefined)).toHaveLength(100);
  });
});

describe("a query by GET", () => {
  test("is answered in production as in development, and stays in no cache", async () => {
    for (const { url } of [server, production]) {
      const response = await fetch(`${url}${byGet}`, { headers: { authorization } });
      expect(response.status).toBe(200);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(await response.json()).toEqual({ data: { currentUserId: "tester" } });
    }
  });

  test("takes variables as urql sends them", async () => {
    const parameters = new URLSearchParams({
      query: "query Found($f: ContactFilter) { contacts(filter: $f) { totalCount } }",
      operationName: "Found",
      variables: JSON.stringify({ f: { lastName: { equalTo: "Nobody" } } }),
    });
    const accept =
      "application/graphql-response+json, application/graphql+json, application/json, " +
      "text/event-stream, multipart/mixed";
    const response = await fetch(`${production.url}/graphql?${parameters.toString()}`, {
      headers: { authorization, accept },
    });
    expect(await response.json()).toEqual({ data: { contacts: { totalCount: 0 } } });
  });

  test("is refused where it is switched off, with the name of the setting", async () => {
    const off = await startTestServer(database.serverUrl, { queriesByGet: false });
    try {
      const response = await fetch(`${off.url}${byGet}`, { headers: { authorization } });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("POST");
      expect(await response.json()).toMatchObject({
        errors: [
          {
            message: expect.stringContaining("QUERIES_BY_GET"),
            extensions: { code: "METHOD_NOT_ALLOWED" },
          },
        ],
      });
    } finally {
      await off.close();
    }
  });
});

describe("the header Authorization", () => {
  const headersOf = (...pairs: [string, string][]) =>
    fetch(`${server.url}/graphql`, {
      method: "POST",
      body: query,
      headers: [["content-type", "application/json"], ...pairs],
    });

  test("may be sent twice with the same token", async () => {
    const twice = await headersOf(
      ["authorization", authorization],
      ["Authorization", authorization],
    );
    expect(await twice.json()).toEqual({ data: { currentUserId: "tester" } });
  });

  test("is refused with two tokens; the log says why", async () => {
    const token = await signToken(jwtSecret, { role: "admin", user: "other", expires: "5m" });
    const response = await headersOf(
      ["authorization", authorization],
      ["Authorization", `Bearer ${token}`],
    );
    expect(response.status).toBe(401);
    expect(server.log).toContainEqual(
      expect.objectContaining({ reason: "several values of Authorization" }),
    );
  });
});

test("who sends too slowly is cut off", async () => {
  const { port } = new URL(server.url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n");
  const drip = setInterval(() => socket.write("x: y\r\n"), 100);
  socket.resume();
  // The end may come as a reset, which once() would take for a failure.
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(drip);
});

describe("in production", () => {
  test("the schema cannot be asked for", async () => {
    for (const asked of [getIntrospectionQuery(), `{ __type(name: "Contact") { name } }`]) {
      const { data, errors } = await production.graphql(asked);
      expect(data).toBeUndefined();
      expect(errors?.[0]?.extensions).toEqual({ code: "GRAPHQL_VALIDATION_FAILED" });
    }
    expect(await production.graphql("{ __typename }")).toHaveProperty("data.__typename", "Query");
  });

  test("a misspelt name is not put right; in development it is", async () => {
    const misspelt = [
      "{ contact(id: 7) { firstNam } }",
      "{ contacts(filtr: {}) { totalCount } }",
      "query ($f: ContactFiltr) { contacts(filter: $f) { totalCount } }",
      "{ contacts(orderBy: LAST_NAME_AS) { totalCount } }",
      "{ contacts(filter: { lastNam: { equalTo: 1 } }) { totalCount } }",
      "{ contacts(filter: { companyId: { eq: 1 } }) { totalCount } }",
      "{ contacts { nodes { ...f } } } fragment f on Contac { id }",
    ];
    for (const text of misspelt) {
      const { errors } = await production.graphql(text);
      expect(errors?.length).toBeGreaterThan(0);
      expect(JSON.stringify(errors)).not.toMatch(/did you mean|firstName|lastName|ContactFilter/i);
    }
    const { errors } = await server.graphql("{ contacts { nodes { firstNam } } }");
    expect(errors?.[0]?.message).toMatch(/Did you mean/);
  });
});

test("the same fault in many places is one error with all of its places", async () => {
  const { errors } = await server.graphql(`{ __typename ${"@aa ".repeat(10)}@bb }`);
  expect(errors).toEqual([
    { message: expect.stringContaining("@aa"), locations: expect.any(Array), extensions },
    { message: expect.stringContaining("@bb"), locations: [{ line: 1, column: 54 }], extensions },
  ]);
  expect(errors?.[0]).toHaveProperty("locations.length", 10);
});

const extensions = { code: "GRAPHQL_VALIDATION_FAILED" };
