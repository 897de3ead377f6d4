import { randomUUID } from "node:crypto";

import { describe, expect, test } from "@jest/globals";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

import { withConnection } from "../../../server/postgres/connect.ts";
import { signToken } from "../../../server/auth/token.ts";
import { until } from "../../helpers/process.ts";
import { jwtSecret, startTestServer, useTestServer } from "../../helpers/server.ts";

const crm = useTestServer();

interface Body {
  errors?: { message: string; extensions: { code: string; requestId?: string } }[];
}

async function ask(
  body: string,
  { headers = {}, url = crm.url }: { headers?: Record<string, string>; url?: string } = {},
) {
  const token = await signToken(jwtSecret, { role: "member", user: "ann", expires: "5m" });
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      ...headers,
    },
    body,
  });
  return {
    status: response.status,
    id: response.headers.get("x-request-id") ?? "",
    body: (await response.json()) as Body,
  };
}

const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const lineOf = (id: string) =>
  crm.log.find((line) => (line.req as { id?: string } | undefined)?.id === id);

describe("the id of a request", () => {
  test("is in the answer's header, and in the log with user, role and operation", async () => {
    const query = "query Names { contacts { nodes { firstName } } }";
    const { id, body } = await ask(JSON.stringify({ query }));
    expect(body.errors).toBeUndefined();
    expect(id).toMatch(uuid);
    await until(() => Promise.resolve(lineOf(id) !== undefined));
    expect(lineOf(id)).toMatchObject({
      level: 30,
      user: "ann",
      role: "crm_member",
      operation: "query contacts",
      operationName: "Names",
    });
  });

  test.each([
    ["a fault of the document", JSON.stringify({ query: "{ nothing }" }), {}],
    ["a document that cannot be read", JSON.stringify({ query: "{" }), {}],
    ["a body that is none", "[]", {}],
    ["a limit", JSON.stringify({ query: `{ ${"a: currentUserId ".repeat(40)} }` }), {}],
    [
      "a rule of the database",
      JSON.stringify({
        query: `mutation Blank {
          createContact(input: { contact: { firstName: " ", lastName: " " } }) { contact { id } }
        }`,
      }),
      {},
    ],
    [
      "a right",
      JSON.stringify({
        query: "mutation { setTrashRetention(input: { days: 1 }) { result: clientMutationId } }",
      }),
      {},
    ],
    ["a token", JSON.stringify({ query: "{ currentUserId }" }), { authorization: "Bearer x" }],
    [
      "a type of content",
      JSON.stringify({ query: "{ currentUserId }" }),
      { "content-type": "text/plain" },
    ],
    ["what is accepted", JSON.stringify({ query: "{ currentUserId }" }), { accept: "image/png" }],
  ])("is in each error, whatever refused it: %s", async (_, body, headers) => {
    const answer = await ask(body, { headers: headers });
    expect(answer.id).toMatch(uuid);
    expect(answer.body.errors?.length).toBeGreaterThan(0);
    for (const { extensions } of answer.body.errors ?? []) {
      expect(extensions).toMatchObject({ code: expect.any(String), requestId: answer.id });
    }
    await until(() => Promise.resolve(lineOf(answer.id) !== undefined));
  });

  test("is another for each request, though a document's errors are remembered", async () => {
    const body = JSON.stringify({ query: "{ nothing }" });
    const [first, second] = [await ask(body), await ask(body)];
    expect(first.id).not.toBe(second.id);
    expect(first.body.errors?.[0]?.extensions.requestId).toBe(first.id);
    expect(second.body.errors?.[0]?.extensions.requestId).toBe(second.id);
  });

  test("is that of the proxy before the server, unless it is none", async () => {
    const body = JSON.stringify({ query: "{ currentUserId }" });
    const given = "0f2a-proxy-17";
    expect((await ask(body, { headers: { "x-request-id": given } })).id).toBe(given);
    for (const id of ["short", "a b c d e f g h", 'a"b{}:12345', "x".repeat(200)]) {
      expect((await ask(body, { headers: { "x-request-id": id } })).id).toMatch(uuid);
    }
  });

  test("is in the refusal of one who asks too often", async () => {
    const server = await startTestServer(crm.database.serverUrl, {
      rateLimits: { user: 1, address: 0 },
    });
    const body = JSON.stringify({ query: "{ currentUserId }" });
    await ask(body, { url: server.url });
    const refused = await ask(body, { url: server.url });
    expect(refused.status).toBe(429);
    expect(refused.body.errors?.[0]?.extensions.requestId).toBe(refused.id);
    await server.close();
  });

  test("is in what the log says of an unexpected error", async () => {
    await withConnection(crm.database.ownerUrl, (client) =>
      client.query(
        `create function crm_private.fail() returns trigger language plpgsql
           as 'begin raise exception ''inside''; end';
         create trigger fail before insert on crm.notes
           for each row execute function crm_private.fail()`,
      ),
    );
    const { id, body } = await ask(
      JSON.stringify({
        query: `mutation Failing { createNote(input: { note: { content: "x", entityType: contact, entityId: "${randomUUID()}" } }) { note { id } } }`,
      }),
    );
    expect(body.errors?.[0]?.extensions.requestId).toBe(id);
    expect(body.errors?.[0]?.extensions.code).toBe("INTERNAL");
    expect(crm.log).toContainEqual(
      expect.objectContaining({ level: 50, requestId: id, user: "ann", operationName: "Failing" }),
    );
  });
});

test("an operation of a socket has an id of its own, in its errors and in the log", async () => {
  const token = await signToken(jwtSecret, { role: "reader", user: "bob", expires: "5m" });
  const client = createClient({
    url: `${crm.url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
  });
  const run = async (query: string) => {
    for await (const result of client.iterate({ query })) return result as Body;
    return undefined;
  };
  await run("query Who { currentUserId }");
  await until(() => Promise.resolve(crm.log.some(({ operationName }) => operationName === "Who")));
  expect(crm.log.find(({ operationName }) => operationName === "Who")).toMatchObject({
    level: 30,
    requestId: expect.stringMatching(uuid),
    user: "bob",
    role: "crm_reader",
    operation: "query currentUserId",
    msg: "operation completed",
  });

  const refusal = await run("{ nothing }").catch((errors: unknown) => errors);
  const [error] = refusal as NonNullable<Body["errors"]>;
  expect(error?.extensions.requestId).toMatch(uuid);
  await until(() =>
    Promise.resolve(crm.log.some(({ requestId }) => requestId === error?.extensions.requestId)),
  );
  await client.dispose();
});
