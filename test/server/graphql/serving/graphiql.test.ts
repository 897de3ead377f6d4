import { request } from "node:http";
import { runInNewContext } from "node:vm";
import { text } from "node:stream/consumers";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { firstQuery } from "../../../../server/graphql/serving/graphiql.ts";
import { signToken, tokenRoles } from "../../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { jwtSecret, startTestServer, type TestServer } from "../../../helpers/server.ts";

const tokens = { admin: "a.b.c", member: "m.b.c", reader: "r.b.c" };

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestServer(database.serverUrl, { graphiqlTokens: tokens });
}, 60_000);
afterAll(async () => {
  await server.close();
  await database.drop();
});

async function page(host = "localhost:5000"): Promise<string> {
  const asking = request(server.url, { headers: { accept: "text/html", host } }).end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  return text(response);
}

type Given = Record<string, string> | [string, string][] | Headers | undefined;

/** Runs the script of the page, and returns what its fetch sends as Authorization. */
async function authorizationOf(...given: Given[]): Promise<(string | null)[]> {
  const script = /<script>\s*(RURU_CONFIG.*?)<\/script>/s.exec(await page())?.[1] ?? "";
  const window = { fetch: (_url: string, { headers }: RequestInit) => new Headers(headers) };
  const localStorage = { getItem: () => null };
  runInNewContext(script, { window, Headers, localStorage, RURU_CONFIG: {} });
  return given.map((headers) => window.fetch("/graphql", { headers }).get("authorization"));
}

test("GraphiQL sends one header Authorization, that of its user if there is one", async () => {
  expect(
    await authorizationOf(
      undefined,
      {},
      { Authorization: "Bearer mine" },
      { authorization: "Bearer a.b.c", Authorization: "Bearer mine" },
      [["AUTHORIZATION", "Bearer mine"]],
      new Headers({ Authorization: "Bearer mine" }),
    ),
  ).toEqual([
    "Bearer a.b.c",
    "Bearer a.b.c",
    "Bearer mine",
    "Bearer mine",
    "Bearer mine",
    "Bearer mine",
  ]);
});

describe("the page", () => {
  test("has the title, an icon that needs no request, and the first query", async () => {
    const html = await page();
    expect(html).toContain("<title>pgcrm</title>");
    expect(html).toContain('<link rel="icon" href="data:image/svg+xml,');
    expect(html).toContain(JSON.stringify(firstQuery));
  });

  test("offers each role, and the tab that explains, where it has tokens", async () => {
    const html = await page();
    for (const role of tokenRoles) expect(html).toContain(`<option value="${role}">`);
    for (const token of Object.values(tokens)) expect(html).toContain(token);
    expect(html).not.toContain("Show Explain");
  });

  test("offers neither elsewhere, but the title and the first query", async () => {
    const html = await page("crm.example");
    expect(html).not.toContain("<option");
    for (const token of Object.values(tokens)) expect(html).not.toContain(token);
    expect(html).toContain('[aria-label="Show Explain"] { display: none; }');
    expect(html).toContain("<title>pgcrm</title>");
    expect(html).toContain(JSON.stringify(firstQuery));
  });
});

test.each(tokenRoles)(
  "the first query returns data to the role %s in an empty database",
  async (role) => {
    const { data, errors } = await server.graphql<{ pipelineStages: { nodes: unknown[] } }>(
      firstQuery,
      {},
      { role },
    );
    expect(errors).toBeUndefined();
    expect(data?.pipelineStages.nodes).toHaveLength(6);
  },
);

describe("a request that asks to be explained", () => {
  async function ask(to: TestServer, role: "admin" | "member", headers: Record<string, string>) {
    const token = await signToken(jwtSecret, { role, user: "tester", expires: "5m" });
    const response = await fetch(`${to.url}/graphql`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        ...headers,
      },
      body: JSON.stringify({ query: "{ companies { nodes { name } } }" }),
    });
    return (await response.json()) as {
      data: unknown;
      extensions?: { explain: { operations: { type: string; query?: string }[] } };
    };
  }
  const asks = { "x-graphql-explain": "plan,sql" };

  test("is explained to an administrator, with its SQL and its plan", async () => {
    const { data, extensions } = await ask(server, "admin", asks);
    expect(data).toEqual({ companies: { nodes: [] } });
    const operations = extensions?.explain.operations ?? [];
    expect(operations.map(({ type }) => type).sort()).toEqual(["plan", "sql"]);
    expect(operations.find(({ type }) => type === "sql")?.query).toContain('"companies"');
  });

  test("is not explained to a member, nor to who does not ask, nor without tokens for GraphiQL", async () => {
    const production = await startTestServer(database.serverUrl);
    for (const answer of [
      await ask(server, "member", asks),
      await ask(server, "admin", {}),
      await ask(production, "admin", asks),
    ]) {
      expect(answer).toEqual({ data: { companies: { nodes: [] } } });
    }
    await production.close();
  });
});

test("introspection lists the entities first, then all types by name", async () => {
  const { data } = await server.graphql<{
    __schema: {
      description: string;
      types: { name: string }[];
      queryType: { fields: { name: string }[] };
    };
  }>("{ __schema { description types { name } queryType { fields { name } } } }");
  const types = data?.__schema.types.map(({ name }) => name) ?? [];
  expect(types.slice(0, 5)).toEqual(["Company", "Contact", "Deal", "Task", "Note"]);
  expect(types.slice(11)).toEqual(types.slice(11).sort());
  const fields = data?.__schema.queryType.fields.map(({ name }) => name) ?? [];
  expect(fields.slice(0, 5)).toEqual(["companies", "contacts", "deals", "tasks", "notes"]);
  expect(data?.__schema.description).toContain("pgcrm");
});
