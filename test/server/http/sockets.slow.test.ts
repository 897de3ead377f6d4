import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Client, createClient, type FormattedExecutionResult } from "graphql-ws";
import { SignJWT } from "jose";
import type pg from "pg";
import { WebSocket } from "ws";

import { withConnection } from "../../../server/postgres/connect.ts";
import { signToken, type TokenRole } from "../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import {
  jwtSecret,
  type ServerOptions,
  startTestServer,
  type TestServer,
} from "../../helpers/server.ts";

const friend = "https://crm.example";
const protocol = "graphql-transport-ws";
const oneMessage = "A valid bearer token is required";

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, (client) =>
    client.query(`
      create function public.slow() returns trigger language plpgsql as $$
      begin
        perform pg_sleep(new.content::float);
        return new;
      end $$;
      create trigger slow before insert on crm.notes for each row execute function public.slow();
    `),
  );
  server = await startTestServer(database.serverUrl, { allowedOrigins: [friend] });
});
afterAll(async () => {
  await server.close();
  await database.drop();
});

async function withServer(options: ServerOptions, work: (server: TestServer) => Promise<void>) {
  const other = await startTestServer(database.serverUrl, options);
  try {
    await work(other);
  } finally {
    await other.close();
  }
}

const addressOf = ({ url }: TestServer) => `${url.replace("http", "ws")}/graphql`;

async function bearer(user = "tester", role: TokenRole = "admin"): Promise<string> {
  return `Bearer ${await signToken(jwtSecret, { role, user, expires: "5m" })}`;
}

interface Asked {
  data?: unknown;
  errors?: readonly { message: string; extensions?: Record<string, unknown> }[];
}

/** What the usual client of the protocol is answered. */
async function ask(
  client: Client,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    let answer: FormattedExecutionResult<Record<string, unknown>, unknown> | undefined;
    client.subscribe(
      { query, variables },
      {
        next: (result) => (answer = result),
        error: (errors) => {
          if (Array.isArray(errors)) resolve({ errors: errors as Asked["errors"] });
          else reject(new Error("The socket was closed", { cause: errors }));
        },
        complete: () => resolve(answer as Asked),
      },
    );
  });
}

async function withClient(
  work: (client: Client) => Promise<void>,
  { to = server, user, role }: { to?: TestServer; user?: string; role?: TokenRole } = {},
) {
  const authorization = await bearer(user, role);
  const client = createClient({
    url: addressOf(to),
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    lazy: false,
    retryAttempts: 0,
  });
  try {
    await work(client);
  } finally {
    await client.dispose();
  }
}

interface Raw {
  socket: WebSocket;
  received: Record<string, unknown>[];
  closed: Promise<{ code: number; reason: string }>;
  send(message: object): void;
  /** Waits for a message of a type. */
  next(type: string): Promise<Record<string, unknown>>;
}

/** A socket that says what a test wants it to. */
async function raw(
  to = server,
  headers: Record<string, string> = {},
  protocols: string[] = [protocol],
): Promise<Raw> {
  const socket = new WebSocket(addressOf(to), protocols, { headers });
  const received: Record<string, unknown>[] = [];
  socket.on("message", (data: Buffer) => {
    received.push(JSON.parse(data.toString()) as Record<string, unknown>);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await once(socket, "open");
  return {
    socket,
    received,
    closed,
    send: (message) => socket.send(JSON.stringify(message)),
    async next(type) {
      for (;;) {
        const found = received.find((message) => message.type === type);
        if (found !== undefined) return found;
        await sleep(5);
      }
    },
  };
}

/** A socket of which it is known who asks. */
async function identified(to = server, user?: string): Promise<Raw> {
  const socket = await raw(to);
  socket.send({ type: "connection_init", payload: { authorization: await bearer(user) } });
  await socket.next("connection_ack");
  return socket;
}

/** What a request for a socket is refused with. */
async function refusal(to: TestServer, headers: Record<string, string> = {}, path = "/graphql") {
  const socket = new WebSocket(`${to.url}${path}`, [protocol], { headers });
  socket.on("error", () => undefined);
  const [, response] = (await once(socket, "unexpected-response")) as [
    unknown,
    { statusCode: number } & AsyncIterable<Buffer>,
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const body = text.startsWith("{") ? (JSON.parse(text) as Asked) : undefined;
  const [error] = body?.errors ?? [];
  delete error?.extensions?.requestId; // of which there is another each time
  return { status: response.statusCode, extensions: error?.extensions };
}

const createCompany = `mutation ($name: String!) {
  createCompany(input: { company: { name: $name } }) { company { name createdBy } }
}`;
const createNote = `mutation ($input: CreateNoteInput!) { createNote(input: $input) { note { content } } }`;

/** A note whose creation takes as many seconds as its content says. */
async function note(seconds: string) {
  const entityId = await server.create("company", { name: "Acme" });
  return { input: { note: { content: seconds, entityType: "company", entityId } } };
}

async function subscribe(socket: Raw, id: string, seconds: string) {
  const variables = await note(seconds);
  socket.send({ type: "subscribe", id, payload: { query: createNote, variables } });
}

/** How many statements sleep in the database. */
const sleeping = () =>
  withConnection(database.ownerUrl, async (client: pg.Client) => {
    const { rows } = await client.query(
      "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
    );
    return rows.length;
  });

/** Waits; what takes longer than the database would have slept has not been ended. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`Not within a minute: ${isSo.toString()}`);
    await sleep(10);
  }
}

/** How much of what was sent stays with the sender, in bytes, once no more of it is taken. */
async function unsent({ socket }: Raw): Promise<number> {
  let before = -1;
  await until(async () => {
    if (socket.bufferedAmount === before) return true;
    before = socket.bufferedAmount;
    await sleep(1000);
    return false;
  });
  return before;
}

describe("over a socket", () => {
  test("operations are answered as they are by HTTP, in the name of the token", () =>
    withClient(
      async (client) => {
        expect(await ask(client, createCompany, { name: "Acme" })).toEqual({
          data: { createCompany: { company: { name: "Acme", createdBy: "ada" } } },
        });
        expect(await ask(client, "{ currentUserId }")).toEqual({ data: { currentUserId: "ada" } });
      },
      { user: "ada", role: "member" },
    ));

  test("the role of the token holds, and rules are faults by field", () =>
    withClient(
      async (client) => {
        const { errors } = await ask(client, createCompany, { name: "Acme" });
        expect(errors?.[0]?.extensions).toMatchObject({ code: "FORBIDDEN" });
      },
      { role: "reader" },
    ).then(() =>
      withClient(async (client) => {
        const { errors } = await ask(client, createCompany, { name: " " });
        expect(errors?.[0]?.extensions).toMatchObject({
          code: "VALIDATION_ERROR",
          fields: { name: ["must not be blank"] },
        });
      }),
    ));

  test.each([
    ["a page too long", "{ companies(first: 1001) { nodes { id } } }", "QUERY_TOO_COMPLEX"],
    ["too many tokens", `{ ${"a ".repeat(2000)} }`, "QUERY_TOO_COMPLEX"],
    ["an unknown field", "{ nowhere }", "GRAPHQL_VALIDATION_FAILED"],
    ["no GraphQL", "{", "GRAPHQL_PARSE_FAILED"],
    ["no document", "", "BAD_REQUEST"],
    ["no operation", "query a { currentUserId } query b { currentUserId }", "BAD_REQUEST"],
    ["a subscription", "subscription { currentUserId }", "GRAPHQL_VALIDATION_FAILED"],
  ])("%s is refused with its code", (_, query, code) =>
    withClient(async (client) => {
      const { errors } = await ask(client, query);
      expect(errors?.[0]?.extensions).toMatchObject({ code });
      expect(JSON.stringify(errors)).not.toMatch(/statusCode|stack/);
    }),
  );

  test("what fails unexpectedly is told by an id only", async () => {
    await withConnection(database.ownerUrl, (client) =>
      client.query("alter table crm.contacts rename to broken"),
    );
    try {
      await withClient(async (client) => {
        const { errors } = await ask(client, "{ contacts { totalCount } }");
        expect(errors?.[0]?.extensions).toEqual({
          code: "INTERNAL",
          errorId: expect.any(String),
          requestId: expect.any(String),
        });
        expect(JSON.stringify(errors)).not.toContain("relation");
      });
    } finally {
      await withConnection(database.ownerUrl, (client) =>
        client.query("alter table crm.broken rename to contacts"),
      );
    }
  });

  test("timeouts are those of HTTP", () =>
    withServer({ timeouts: { statement: 1000 } }, (to) =>
      withClient(
        async (client) => {
          const { errors } = await ask(client, createNote, await note("30"));
          expect(errors?.[0]?.extensions).toMatchObject({ code: "TIMEOUT" });
        },
        { to },
      ),
    ));
});

describe("who asks", () => {
  test.each([
    ["authorization", (token: string) => ({ authorization: token })],
    ["Authorization", (token: string) => ({ Authorization: token })],
    ["headers", (token: string) => ({ headers: { Authorization: token } })],
  ])("is told in connection_init, as %s", async (_, payload) => {
    const socket = await raw();
    socket.send({ type: "connection_init", payload: payload(await bearer()) });
    await socket.next("connection_ack");
    socket.socket.close();
  });

  test("may be told in the header of the request", async () => {
    const socket = await raw(server, { authorization: await bearer("ada") });
    socket.send({ type: "connection_init" });
    await socket.next("connection_ack");
    socket.send({ type: "subscribe", id: "1", payload: { query: "{ currentUserId }" } });
    expect(await socket.next("next")).toMatchObject({
      payload: { data: { currentUserId: "ada" } },
    });
    socket.socket.close();
  });

  const expired = () =>
    new SignJWT({ role: "admin" })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("ada")
      .setExpirationTime(new Date(Date.now() - 60_000))
      .sign(new TextEncoder().encode(jwtSecret));

  test.each([
    ["nothing", () => undefined],
    ["no object", () => "token"],
    ["no token", () => ({ authorization: 7 })],
    ["another token", () => ({ authorization: "Bearer x.y.z" })],
    ["an expired token", async () => ({ authorization: `Bearer ${await expired()}` })],
  ])("is not told by %s: 4403, with one message", async (_, payload) => {
    const socket = await raw();
    socket.send({ type: "connection_init", payload: await payload() });
    const { code, reason } = await socket.closed;
    expect([4400, 4403]).toContain(code);
    if (code === 4403) expect(reason).toBe(oneMessage);
  });

  test("must be told within the time for it: 4408", () =>
    withServer({ sockets: { initTimeout: 100 } }, async (to) => {
      expect((await (await raw(to)).closed).code).toBe(4408);
    }));

  test("must be told before anything is asked: 4401", async () => {
    const socket = await raw();
    socket.send({ type: "subscribe", id: "1", payload: { query: "{ currentUserId }" } });
    expect((await socket.closed).code).toBe(4401);
  });

  test("must be told before much is sent", async () => {
    const socket = await raw();
    socket.socket.on("error", () => undefined);
    socket.socket.send("x".repeat(100_000));
    expect((await socket.closed).code).toBe(1006);
  });

  /** A token that is good for two seconds more; clocks may differ by 30. */
  const shortLived = () =>
    new SignJWT({ role: "admin" })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("ada")
      .setExpirationTime(Math.floor(Date.now() / 1000) - 28)
      .sign(new TextEncoder().encode(jwtSecret));

  test("may be told twice, in names that differ by capitals", async () => {
    const [one, other] = [await bearer(), await bearer("other")];
    const accepted = await raw();
    accepted.send({ type: "connection_init", payload: { authorization: one, Authorization: one } });
    await accepted.next("connection_ack");
    accepted.socket.close();
    const refused = await raw();
    refused.send({
      type: "connection_init",
      payload: { authorization: one, Authorization: other },
    });
    expect(await refused.closed).toEqual({ code: 4403, reason: oneMessage });
  });

  test("is asked again with each operation: an expired token closes the socket", async () => {
    const socket = await raw();
    socket.send({
      type: "connection_init",
      payload: { authorization: `Bearer ${await shortLived()}` },
    });
    await socket.next("connection_ack");
    await sleep(2500);
    socket.send({ type: "subscribe", id: "1", payload: { query: "{ currentUserId }" } });
    expect(await socket.closed).toEqual({ code: 4403, reason: oneMessage });
    expect(socket.received.filter(({ type }) => type === "next")).toEqual([]);
  });

  test("is asked again while nothing happens, too", () =>
    withServer({ sockets: { keepalive: 200 } }, async (to) => {
      const socket = await raw(to);
      const authorization = `Bearer ${await shortLived()}`;
      socket.send({ type: "connection_init", payload: { authorization } });
      await socket.next("connection_ack");
      expect(await socket.closed).toEqual({ code: 4403, reason: oneMessage });
    }));

  test("is not in the log", async () => {
    const token = await bearer();
    const socket = await raw();
    socket.send({ type: "connection_init", payload: { authorization: token } });
    await socket.next("connection_ack");
    socket.socket.close();
    await socket.closed;
    await until(() => server.log.some(({ msg }) => msg === "a socket was closed"));
    expect(JSON.stringify(server.log)).not.toContain(token.slice(7));
  });
});

describe("a request for a socket is refused", () => {
  test.each(["https://evil.example", "null", "not an origin"])(
    "to pages of another origin: %s",
    async (origin) => {
      expect(await refusal(server, { origin })).toEqual({
        status: 403,
        extensions: { code: "FORBIDDEN" },
      });
    },
  );

  test("not to pages of an allowed origin, of this machine, nor to the server's own", async () => {
    for (const origin of [friend, "http://localhost:5173", server.url]) {
      (await raw(server, { origin })).socket.close();
    }
  });

  test("to pages of this machine in production; the log names the setting", () =>
    withServer({ production: true }, async (to) => {
      const origin = "http://localhost:5173";
      expect(await refusal(to, { origin })).toMatchObject({ status: 403 });
      expect(to.log).toContainEqual(
        expect.objectContaining({ origin, msg: expect.stringContaining("ALLOWED_ORIGINS") }),
      );
    }));

  test.each(["/", "/healthz", "/graphql/", "/nowhere"])("at %s", async (path) => {
    const { status } = await refusal(server, {}, path);
    expect(status).not.toBe(101);
  });

  test("of another protocol than graphql-transport-ws", async () => {
    const socket = new WebSocket(addressOf(server), ["graphql-ws"]);
    const [error] = (await once(socket, "error")) as [Error];
    expect(error.message).toContain("subprotocol");
  });

  test("beyond the number of sockets of an address, until one is closed", () =>
    withServer({ sockets: { ofAddress: 2 } }, async (to) => {
      const first = await raw(to);
      const second = await raw(to);
      expect(await refusal(to)).toEqual({
        status: 429,
        extensions: { code: "RATE_LIMITED", limit: "socketsOfAddress", maximum: 2 },
      });
      first.socket.close();
      await first.closed;
      await sleep(50);
      (await raw(to)).socket.close();
      second.socket.close();
    }));

  test("by the limit of requests of an address", () =>
    withServer({ rateLimits: { user: 0, address: 1 } }, async (to) => {
      (await raw(to)).socket.close();
      expect(await refusal(to)).toMatchObject({
        status: 429,
        extensions: { code: "RATE_LIMITED", limit: "address" },
      });
    }));

  test("until the schema has been read", async () => {
    const gone = await createTestDatabase();
    await gone.drop();
    const to = await startTestServer(gone.serverUrl, { waits: false });
    expect(await refusal(to)).toMatchObject({
      status: 503,
      extensions: { code: "UNAVAILABLE" },
    });
    await to.close();
  });

  test("in the log, as other requests are", () => {
    expect(server.log).toContainEqual(
      expect.objectContaining({
        req: expect.objectContaining({ method: "GET", path: "/graphql" }),
        res: { statusCode: 403 },
      }),
    );
  });
});

test("another kind of upgrade is a request like all others", async () => {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  const body = JSON.stringify({ query: "{ currentUserId }" });
  socket.write(
    [
      "POST /graphql HTTP/1.1",
      "host: localhost",
      "connection: upgrade, close",
      "upgrade: h2c",
      `authorization: ${await bearer("ada")}`,
      "content-type: application/json",
      `content-length: ${body.length}`,
      "",
      body,
    ].join("\r\n"),
  );
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
  expect(answer).toContain('{"data":{"currentUserId":"ada"}}');
});

describe("limits of a socket", () => {
  test("a message is as large as a body may be: 1009", () =>
    withServer({ limits: { bodyBytes: 20_000 } }, async (to) => {
      const socket = await identified(to);
      const subscription = (size: number) => ({
        type: "subscribe",
        id: "1",
        payload: { query: `{ currentUserId } #${"x".repeat(size)}` },
      });
      socket.send(subscription(19_000));
      await socket.next("next");
      socket.send(subscription(20_000));
      expect((await socket.closed).code).toBe(1009);
    }));

  test("so many operations run at once, and one more when one is done", () =>
    withServer({ sockets: { operations: 2 } }, async (to) => {
      const socket = await identified(to);
      await subscribe(socket, "1", "4");
      await subscribe(socket, "2", "20");
      await until(async () => (await sleeping()) === 2);
      await subscribe(socket, "3", "0");
      expect(await socket.next("error")).toMatchObject({
        id: "3",
        payload: [{ extensions: { code: "RATE_LIMITED", limit: "socketOperations", maximum: 2 } }],
      });
      expect(await socket.next("complete")).toMatchObject({ id: "1" });
      socket.received.length = 0;
      await subscribe(socket, "4", "0");
      expect(await socket.next("next")).toMatchObject({ id: "4" });
      socket.socket.terminate();
    }));

  test("the sockets of a user are counted: 1013", () =>
    withServer({ sockets: { ofUser: 1 } }, async (to) => {
      const first = await identified(to, "ada");
      const second = await raw(to);
      second.send({ type: "connection_init", payload: { authorization: await bearer("ada") } });
      expect((await second.closed).code).toBe(1013);
      (await identified(to, "bob")).socket.close();
      first.socket.close();
    }));

  test("operations count as requests of the user, by HTTP or not", () =>
    withServer({ rateLimits: { user: 2, address: 0 } }, async (to) => {
      await to.graphql("{ currentUserId }");
      await withClient(
        async (client) => {
          expect(await ask(client, "{ currentUserId }")).toHaveProperty("data");
          expect(await ask(client, "{ currentUserId }")).toMatchObject({
            errors: [{ extensions: { code: "RATE_LIMITED", limit: "user", maximum: 2 } }],
          });
        },
        { to },
      );
      expect((await to.graphql("{ currentUserId }")).status).toBe(429);
    }));

  test("operations count as requests of the address, too", () =>
    withServer({ rateLimits: { user: 0, address: 2 } }, (to) =>
      withClient(
        async (client) => {
          expect(await ask(client, "{ currentUserId }")).toHaveProperty("data");
          expect(await ask(client, "{ currentUserId }")).toMatchObject({
            errors: [{ extensions: { code: "RATE_LIMITED", limit: "address" } }],
          });
        },
        { to },
      ),
    ));

  test("who answers no ping is cut", () =>
    withServer({ sockets: { keepalive: 100 } }, async (to) => {
      const socket = new WebSocket(addressOf(to), [protocol], { autoPong: false });
      const [code] = (await once(socket, "close")) as [number];
      expect(code).toBe(1006);
    }));

  test("who reads nothing is not read from, and costs no memory without end", async () => {
    const socket = await identified();
    socket.socket.pause();
    const query = "{ __schema { types { name description fields { name description } } } }";
    const pings = 1000; // more than the buffers of both systems hold
    for (let i = 0; i < pings; i += 1) {
      socket.send({ type: "ping", payload: { text: "x".repeat(50_000) } });
      if (i % 5 === 0) socket.send({ type: "subscribe", id: `${i}`, payload: { query } });
    }
    expect(await unsent(socket)).toBeGreaterThan(1_000_000); // it stays with the sender
    socket.socket.resume();
    await until(() => socket.received.filter(({ type }) => type === "pong").length === pings);
    socket.socket.close();
  });
});

describe("work ends in the database", () => {
  test("when its operation is completed by the client; the socket goes on", async () => {
    const socket = await identified();
    await subscribe(socket, "1", "20");
    await until(async () => (await sleeping()) === 1);
    socket.send({ type: "complete", id: "1" });
    await until(async () => (await sleeping()) === 0);
    socket.send({ type: "subscribe", id: "2", payload: { query: "{ currentUserId }" } });
    expect(await socket.next("next")).toMatchObject({ id: "2" });
    expect(socket.received.filter(({ id }) => id === "1")).toEqual([]);
    socket.socket.close();
  });

  test.each(["close", "terminate"] as const)("when the client leaves by %s", async (way) => {
    const socket = await identified();
    await subscribe(socket, "1", "20");
    await until(async () => (await sleeping()) === 1);
    socket.socket[way]();
    await until(async () => (await sleeping()) === 0);
  });
});

describe("a server that closes", () => {
  test("lets running operations finish, refuses new ones, then closes with 1001", () =>
    withServer({}, async (to) => {
      const idle = await identified(to);
      const socket = await identified(to);
      await subscribe(socket, "1", "1");
      await until(async () => (await sleeping()) === 1);
      const closed = to.close();
      expect(await idle.closed).toEqual({ code: 1001, reason: "The server is stopping" });
      socket.send({ type: "subscribe", id: "2", payload: { query: "{ currentUserId }" } });
      expect(await socket.next("error")).toMatchObject({
        id: "2",
        payload: [{ extensions: { code: "UNAVAILABLE" } }],
      });
      expect((await socket.closed).code).toBe(1001);
      const ofFirst = socket.received.filter(({ id }) => id === "1");
      expect(ofFirst.map(({ type }) => type)).toEqual(["next", "complete"]);
      expect(ofFirst[0]).toMatchObject({ payload: { data: { createNote: { note: {} } } } });
      await closed;
      to.close = () => closed;
    }));

  test("cuts what runs longer than the grace period, in the database, too", () =>
    withServer({ shutdownGrace: 300 }, async (to) => {
      const socket = await identified(to);
      await subscribe(socket, "1", "20");
      await until(async () => (await sleeping()) === 1);
      const closed = to.close();
      expect((await socket.closed).code).toBe(1001);
      await closed;
      to.close = () => closed;
      await until(async () => (await sleeping()) === 0);
    }));

  test("waits for no client that does not answer", () =>
    withServer({ shutdownGrace: 300 }, async (to) => {
      const socket = await identified(to);
      socket.socket.pause();
      await to.close();
      to.close = () => Promise.resolve();
      socket.socket.terminate();
    }));
});

test("operations are counted, and sockets", () =>
  withServer({ metricsToken: "a-token-for-prometheus" }, async (to) => {
    const scrape = async () => {
      const headers = { authorization: "Bearer a-token-for-prometheus" };
      return (await fetch(`${to.url}/metrics`, { headers })).text();
    };
    await withClient(
      async (client) => {
        await ask(client, "{ currentUserId }");
        await ask(client, createCompany, { name: " " });
        await ask(client, "{ nowhere }");
        const text = await scrape();
        for (const line of [
          'pgcrm_requests_total{operation="query currentUserId",code="OK"} 1',
          'pgcrm_requests_total{operation="mutation createCompany",code="VALIDATION_ERROR"} 1',
          'pgcrm_requests_total{operation="none",code="GRAPHQL_VALIDATION_FAILED"} 1',
          'pgcrm_request_duration_seconds_count{operation="query currentUserId"} 1',
          "pgcrm_sockets 1",
        ]) {
          expect(text.split("\n")).toContain(line);
        }
      },
      { to },
    );
    const socket = await identified(to);
    await subscribe(socket, "1", "20");
    await until(async () => (await sleeping()) === 1);
    socket.send({ type: "complete", id: "1" });
    await until(async () =>
      (await scrape()).includes('{operation="mutation createNote",code="ABANDONED"} 1'),
    );
    socket.socket.close();
    await until(async () => (await scrape()).includes("pgcrm_sockets 0"));
  }));
