import { connect, type Socket } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { buildSchema, parse } from "graphql";

import { isBulk } from "../../../server/graphql/limits/bulk.ts";
import { signToken, type TokenRole } from "../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { type Answer, jwtSecret, startTestServer, type TestServer } from "../../helpers/server.ts";

const megabyte = 1_000_000;
const usual = { limit: "bodyBytes", maximum: megabyte };
const bulk = { limit: "bulkBodyBytes", maximum: 10 * megabyte };

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestServer(database.serverUrl);
});
afterAll(async () => {
  await server.close();
  await database.drop();
});

const bearer = async (role: TokenRole = "member") =>
  `Bearer ${await signToken(jwtSecret, { role, user: "ada", expires: "5m" })}`;

async function post(body: string, role?: TokenRole) {
  const response = await fetch(`${server.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: await bearer(role) },
    body,
  });
  const answer = (await response.json()) as Omit<Answer<unknown>, "status">;
  return { status: response.status, ...answer };
}

/** A body of so many bytes, most of which are blank. */
const padded = (request: object, size: number) => {
  const text = JSON.stringify(request);
  return text + " ".repeat(size - Buffer.byteLength(text));
};

const dealWithTasks = `mutation ($input: CreateDealWithTasksInput!) {
  createDealWithTasks(input: $input) { deal { title tasks { totalCount } } }
}`;

async function dealInput(description: string) {
  const companyId = await server.create("company", { name: "Acme" });
  return {
    deal: { title: "Big", value: "1.00", stage: "Won", companyId },
    tasks: [{ description }, { description: "short" }],
  };
}

const read = { query: "{ currentUserId }" };

async function expectTooLarge(answer: Promise<Answer<unknown>>, expected: object) {
  const { status, data, errors } = await answer;
  expect([status, data]).toEqual([413, undefined]);
  expect(errors).toHaveLength(1);
  expect(errors?.[0]?.extensions).toMatchObject({ code: "PAYLOAD_TOO_LARGE", ...expected });
}

describe("a body", () => {
  test("of 1 MB is read, a larger one is refused", async () => {
    expect((await post(padded(read, megabyte))).status).toBe(200);
    const actual = megabyte + 1;
    await expectTooLarge(post(padded(read, actual)), { ...usual, actual });
  });

  test.each([
    ["a query beside it", "query A { currentUserId } mutation B { __typename }"],
    [
      "a single row",
      'mutation { createCompany(input: { company: { name: "x" } }) { clientMutationId } }',
    ],
    ["a document that is refused", "{ nowhere }"],
    ["a document that is too long", `{ currentUserId } # ${"x".repeat(60_000)}`],
  ])("above it is refused for %s", async (_, query) => {
    await expectTooLarge(post(padded({ query }, 2 * megabyte)), {
      ...usual,
      actual: 2 * megabyte,
    });
  });

  test("of a bulk mutation may have 10 MB, and no more", async () => {
    const input = await dealInput("call");
    const body = { query: dealWithTasks, variables: { input } };
    expect(await post(padded(body, 10 * megabyte))).toMatchObject({
      status: 200,
      data: { createDealWithTasks: { deal: { title: "Big", tasks: { totalCount: 2 } } } },
    });
    const actual = 10 * megabyte + 1;
    await expectTooLarge(post(padded(body, actual)), { ...bulk, actual });
  });

  test("of a bulk mutation beside another is a usual one", async () => {
    const query = `mutation ($input: CreateDealWithTasksInput!) {
      createDealWithTasks(input: $input) { clientMutationId }
      createCompany(input: { company: { name: "x" } }) { clientMutationId }
    }`;
    await expectTooLarge(post(padded({ query, variables: {} }, 2 * megabyte)), {
      ...usual,
      actual: 2 * megabyte,
    });
  });

  test("of who may not write is refused before it is read", async () => {
    const body = { query: dealWithTasks, variables: {} };
    const actual = 2 * megabyte;
    await expectTooLarge(post(padded(body, actual), "reader"), { ...usual, actual });
  });
});

/** Sends as much as it is let, and gives the beginning of what is answered. */
async function send(head: string[], chunks: () => Generator<string>) {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.setMaxListeners(0);
  let answer = "";
  socket.on("data", (data) => (answer += data.toString()));
  socket.on("error", () => undefined);
  const closed = next(socket, "close");
  socket.write([...head, "", ""].join("\r\n"));
  let sent = 0;
  for (const chunk of chunks()) {
    if (socket.destroyed || answer !== "") break;
    sent += chunk.length;
    if (!socket.write(chunk)) await drained(socket);
  }
  if (answer === "") await Promise.race([closed, next(socket, "data")]);
  socket.destroy();
  return { answer, sent };
}

/** Waits for an event, and takes a reset of the connection for none. */
const next = (socket: Socket, event: "close" | "data" | "drain") =>
  new Promise((resolve) => socket.once(event, resolve));

const drained = (socket: Socket) =>
  Promise.race([next(socket, "drain"), next(socket, "close"), next(socket, "data")]);

const head = (authorization: string, ...more: string[]) => [
  "POST /graphql HTTP/1.1",
  "host: localhost",
  "content-type: application/json",
  `authorization: ${authorization}`,
  ...more,
];

/** 100 MB in chunks of HTTP. */
function* endless(): Generator<string> {
  const piece = "x".repeat(100_000);
  for (let i = 0; i < 1000; i += 1) yield `${piece.length.toString(16)}\r\n${piece}\r\n`;
}

describe("a body of unknown length", () => {
  test("is read up to what a bulk mutation may have", async () => {
    const { answer, sent } = await send(
      head(await bearer(), "transfer-encoding: chunked"),
      endless,
    );
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('"limit":"bulkBodyBytes"');
    expect(answer).toMatch(/^connection: close\r$/im);
    expect(sent).toBeGreaterThan(10 * megabyte);
    expect(sent).toBeLessThan(50 * megabyte);
  });

  test("has its answer read by who sends all of it first", async () => {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.on("error", () => undefined);
    const closed = next(socket, "close");
    socket.write([...head(await bearer(), "transfer-encoding: chunked"), "", ""].join("\r\n"));
    let sent = 0;
    for (const chunk of endless()) {
      if (socket.destroyed || sent > 30 * megabyte) break;
      sent += chunk.length;
      if (!socket.write(chunk)) {
        await Promise.race([next(socket, "drain"), closed]);
      }
    }
    let answer = "";
    socket.on("data", (data) => (answer += data.toString()));
    await closed;
    expect(sent).toBeGreaterThan(30 * megabyte);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
  });

  test("is not read at all of who has no good token", async () => {
    const { answer, sent } = await send(
      head("Bearer x.y.z", "transfer-encoding: chunked"),
      endless,
    );
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
    expect(sent).toBeLessThan(20 * megabyte);
  });
});

describe("a length that is not true", () => {
  test("is refused beside chunks", async () => {
    const { answer } = await send(
      head(await bearer(), "transfer-encoding: chunked", "content-length: 5"),
      endless,
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  test("that is too small makes another request of the rest, which is none", async () => {
    const body = JSON.stringify(read);
    const { answer } = await send(
      head(await bearer(), `content-length: ${body.length}`, "connection: close"),
      function* () {
        yield body + "x".repeat(2 * megabyte);
      },
    );
    expect(answer).toMatch(/^HTTP\/1.1 (200|400) /);
    expect((await post(body)).status).toBe(200);
  });

  test("that is too large is refused by what it says", async () => {
    const { answer } = await send(
      head(await bearer(), `content-length: ${11 * megabyte}`),
      function* () {
        yield "{";
      },
    );
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('"actual":11000000');
  });
});

test("a client that leaves while it sends is no failure of the server", async () => {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.write([...head(await bearer(), "content-length: 1000"), "", '{"query'].join("\r\n"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  socket.destroy();
  expect((await post(JSON.stringify(read))).status).toBe(200);
  expect(server.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});

describe("what a bulk mutation is, the schema decides", () => {
  const schema = buildSchema(`
    type Query { rows(filter: Filter): Int }
    input Row { id: ID }
    input Filter { and: [Filter!] }
    input Rows { rows: [Row!]!, clientMutationId: String }
    input Ids { ids: [ID!]! }
    input Patch { filter: Filter, patch: Row }
    type Mutation {
      createRows(input: Rows!): Int
      addRows(rows: [Row]): Int
      createRow(input: Row!): Int
      deleteRows(input: Ids!): Int
      updateRows(input: Patch!): Int
    }
  `);
  test.each([
    [true, "mutation ($i: Rows!) { createRows(input: $i) }"],
    [true, "mutation { addRows(rows: []) a: addRows __typename }"],
    [true, "mutation { ...f ... on Mutation { addRows } } fragment f on Mutation { addRows }"],
    [false, "mutation { createRow(input: {}) }"],
    [false, "mutation { addRows createRow(input: {}) }"],
    [false, "mutation { ...f } fragment f on Mutation { addRows createRow(input: {}) }"],
    [false, "mutation { deleteRows(input: { ids: [] }) }"],
    [false, "mutation { updateRows(input: {}) }"],
    [false, "mutation { __typename }"],
    [false, "{ rows(filter: {}) }"],
    [false, "mutation A { addRows } query B { rows }"],
  ])("%p: %s", (expected, text) => {
    expect(isBulk(schema, parse(text))).toBe(expected);
  });
});
