import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { getIntrospectionQuery } from "graphql";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

import { signToken } from "../../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { until } from "../../../helpers/process.ts";
import {
  type Answer,
  jwtSecret,
  startTestServer,
  type TestServer,
} from "../../../helpers/server.ts";

const greet = "query Greet { currentUserId }";
const tooLong = "query TooLong { companies(first: 5000) { nodes { id } } }";
const create = `mutation Create($name: String!) {
  createCompany(input: { company: { name: $name } }) { company { name } }
}`;
const hash = (text: string) => createHash("sha256").update(text).digest("hex");
const unknown = hash("nothing");

let folder: string;
let database: TestDatabase;
let both: TestServer;
let only: TestServer;
let neither: TestServer;
let authorization: string;

const persist = (text: string, id = hash(text)) =>
  writeFileSync(join(folder, `${id}.graphql`), text);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-persisted-"));
  for (const text of [greet, tooLong, create]) persist(text);
  persist(greet, "greet-v1");
  writeFileSync(join(folder, "manifest.json"), "{}");
  database = await createTestDatabase();
  both = await startTestServer(database.serverUrl, { persisted: { folder, only: false } });
  only = await startTestServer(database.serverUrl, {
    persisted: { folder, only: true },
    graphiql: false,
  });
  neither = await startTestServer(database.serverUrl);
  const token = await signToken(jwtSecret, { role: "member", user: "ada", expires: "5m" });
  authorization = `Bearer ${token}`;
});
afterAll(async () => {
  for (const server of [both, only, neither]) await server.close();
  await database.drop();
  rmSync(folder, { recursive: true });
});

type Body = Record<string, unknown>;

async function post({ url }: TestServer, body: Body, headers = { authorization }) {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    ...((await response.json()) as Omit<Answer<unknown>, "status">),
  };
}

async function get({ url }: TestServer, parameters: Record<string, string>) {
  const query = new URLSearchParams(parameters).toString();
  const response = await fetch(`${url}/graphql?${query}`, { headers: { authorization } });
  return {
    status: response.status,
    ...((await response.json()) as Omit<Answer<unknown>, "status">),
  };
}

/** The code of what is refused, of which nothing else is told. */
async function refusal(answer: Promise<Answer<unknown>>) {
  const { status, data, errors } = await answer;
  expect(data).toBeUndefined();
  expect(errors).toHaveLength(1);
  expect(Object.keys(errors?.[0]?.extensions ?? {}).toSorted()).toEqual(["code", "requestId"]);
  return [status, errors?.[0]?.extensions.code];
}

async function overSocket({ url }: TestServer, payload: Body) {
  const client = createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
  });
  try {
    return await new Promise<unknown>((resolve) => {
      let answer: unknown;
      client.subscribe(payload as unknown as { query: string }, {
        next: (result) => (answer = result),
        error: (errors) => resolve({ errors }),
        complete: () => resolve(answer),
      });
    });
  } finally {
    await client.dispose();
  }
}

const persistedQuery = (sha256Hash: string) => ({
  extensions: { persistedQuery: { version: 1, sha256Hash } },
});
const greeted = { status: 200, data: { currentUserId: "ada" } };

/** The ways that clients have to send an id. */
const ways: [string, (id: string) => Body][] = [
  ["documentId", (documentId) => ({ documentId })],
  ["id", (id) => ({ id })],
  ["Apollo's hash", persistedQuery],
];

describe.each(ways)("an operation that is asked for by %s", (_, by) => {
  test("is answered, whether others are served or not", async () => {
    for (const server of [both, only]) {
      expect(await post(server, by(hash(greet)))).toEqual(greeted);
      expect(
        await post(server, { ...by(hash(create)), variables: { name: "Acme" } }),
      ).toMatchObject({ data: { createCompany: { company: { name: "Acme" } } } });
    }
  });

  test("is answered by GET, if it is a query", async () => {
    const parameters = (id: string) =>
      Object.fromEntries(
        Object.entries(by(id)).map(([name, value]) => [
          name,
          typeof value === "string" ? value : JSON.stringify(value),
        ]),
      );
    expect(await get(only, parameters(hash(greet)))).toEqual(greeted);
    expect(await get(only, parameters(hash(create)))).toMatchObject({ status: 405 });
  });

  test("is answered over a socket", async () => {
    const payload = { ...by(hash(greet)), query: "" };
    expect(await overSocket(only, payload)).toEqual({ data: { currentUserId: "ada" } });
  });

  test("is refused with PERSISTED_QUERY_NOT_FOUND where there is none", async () => {
    for (const server of [both, only]) {
      expect(await refusal(post(server, by(unknown)))).toEqual([400, "PERSISTED_QUERY_NOT_FOUND"]);
    }
    expect(await overSocket(only, { ...by(unknown), query: "" })).toMatchObject({
      errors: [{ extensions: { code: "PERSISTED_QUERY_NOT_FOUND" } }],
    });
  });

  test("is refused with PERSISTED_QUERY_NOT_SUPPORTED where there is no folder", async () => {
    expect(await refusal(post(neither, by(hash(greet))))).toEqual([
      400,
      "PERSISTED_QUERY_NOT_SUPPORTED",
    ]);
    expect(await post(neither, { ...by(hash(greet)), query: greet })).toEqual(greeted);
  });

  test("counts for more than a document beside it", async () => {
    for (const server of [both, only]) {
      expect(await post(server, { ...by(hash(greet)), query: "{ nowhere }" })).toEqual(greeted);
    }
  });
});

test.each(["../package", "a/b", "", "greet-v1 ", "__proto__", "manifest.json"])(
  "%p is the id of nothing",
  async (documentId) => {
    const [status, code] = await refusal(post(only, { documentId }));
    expect(status).toBe(400);
    expect(code).toMatch(/^PERSISTED_QUERY_(NOT_FOUND|REQUIRED)$/);
  },
);

test("an id need not be a hash", async () => {
  expect(await post(only, { documentId: "greet-v1" })).toEqual(greeted);
});

test("without PERSISTED_ONLY documents are served, also those whose hash is unknown", async () => {
  expect(await post(both, { query: greet })).toEqual(greeted);
  expect(await post(both, { query: greet, ...persistedQuery(unknown) })).toEqual(greeted);
  expect(await get(both, { query: greet })).toEqual(greeted);
  expect(await overSocket(both, { query: greet })).toEqual({ data: { currentUserId: "ada" } });
  expect(await refusal(post(both, {}))).toEqual([400, "BAD_REQUEST"]);
});

describe("with PERSISTED_ONLY", () => {
  test("a document is refused, even one whose text is known", async () => {
    const refused = [400, "PERSISTED_QUERY_REQUIRED"];
    for (const query of [greet, getIntrospectionQuery(), "{ __typename }", "{"]) {
      expect(await refusal(post(only, { query }))).toEqual(refused);
      expect(await refusal(get(only, { query }))).toEqual(refused);
      expect(await overSocket(only, { query })).toMatchObject({
        errors: [{ extensions: { code: "PERSISTED_QUERY_REQUIRED" } }],
      });
    }
    expect(await refusal(post(only, {}))).toEqual(refused);
  });

  test("a document beside an unknown id is refused", async () => {
    const body = { query: greet, ...persistedQuery(unknown) };
    expect(await refusal(post(only, body))).toEqual([400, "PERSISTED_QUERY_NOT_FOUND"]);
  });

  test("there is no GraphiQL", async () => {
    expect((await fetch(only.url, { headers: { accept: "text/html" } })).status).toBe(404);
  });
});

test("limits hold", async () => {
  const { errors } = await post(only, { documentId: hash(tooLong) });
  expect(errors?.[0]?.extensions).toMatchObject({ code: "QUERY_TOO_COMPLEX", limit: "pageSize" });
});

test("nothing is answered without a token", async () => {
  const { status, errors } = await post(only, { documentId: hash(greet) }, { authorization: "" });
  expect([status, errors?.[0]?.extensions.code]).toEqual([401, "UNAUTHENTICATED"]);
});

test("what is refused is written nowhere, variables least of all", async () => {
  const spy = jest.spyOn(console, "error").mockImplementation(() => undefined);
  await post(only, { documentId: unknown, variables: { name: "confidential" } });
  await post(only, { query: greet, variables: { name: "confidential" } });
  expect(spy).not.toHaveBeenCalled();
  spy.mockRestore();
  expect(JSON.stringify(only.log)).not.toContain("confidential");
});

test("documents come and go without a restart", async () => {
  const text = "query Later { currentUserId }";
  const documentId = hash(text);
  const answer = async () => (await post(only, { documentId })).status;
  expect(await answer()).toBe(400);
  persist(text);
  await until(async () => (await answer()) === 200);
  rmSync(join(folder, `${documentId}.graphql`));
  await until(async () => (await answer()) === 400);
});

test("a folder that vanishes leaves what is known", async () => {
  const other = mkdtempSync(join(tmpdir(), "pgcrm-persisted-"));
  writeFileSync(join(other, "greet.graphql"), greet);
  const server = await startTestServer(database.serverUrl, {
    persisted: { folder: other, only: true },
  });
  rmSync(other, { recursive: true });
  await until(async () => {
    expect(await post(server, { id: "greet" })).toEqual(greeted);
    return server.log.some(({ level, folder }) => level === 40 && folder === other);
  });
  await server.close();
});
