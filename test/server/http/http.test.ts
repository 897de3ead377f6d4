import { connect } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { getIntrospectionQuery } from "graphql";

import { signToken } from "../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { jwtSecret, startTestServer, type TestServer } from "../../helpers/server.ts";

const query = JSON.stringify({ query: "{ currentUserId }" });
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

  test("may ask where its origin is allowed", async () => {
    const allowed = await preflight(friend);
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get("access-control-allow-headers")).toContain("authorization");
    const answer = await ask({ headers: { origin: friend } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(friend);
    expect(answer.headers.get("vary")).toMatch(/origin/i);
    expect(await answer.json()).toEqual({ data: { currentUserId: "tester" } });
  });

  test.each(["https://evil.example", "https://crm.example.evil.example", "null"])(
    "may not ask where it is %s",
    async (origin) => {
      for (const response of [await preflight(origin), await ask({ headers: { origin } })]) {
        expect(response.headers.has("access-control-allow-origin")).toBe(false);
      }
    },
  );
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

  test("queries are by POST only", async () => {
    const url = `${production.url}/graphql?query={__typename}`;
    const response = await fetch(url, { headers: { authorization } });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    expect(await code(response)).toBe("METHOD_NOT_ALLOWED");
  });

  test("a misspelt name is not put right; in development it is", async () => {
    const misspelt = [
      "{ contact(id: 7) { firstNam } }",
      "{ contacts(filtr: {}) { totalCount } }",
      "query ($f: ContactFiltr) { contacts(filter: $f) { totalCount } }",
      "{ contacts(orderBy: LAST_NAME_AS) { totalCount } }",
      "{ contacts(filter: { lastNam: { equalTo: 1 } }) { totalCount } }",
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
