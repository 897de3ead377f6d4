import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import type { Timeouts } from "../../../server/postgres/timeouts.ts";
import { readConfig } from "../../../server/settings.ts";
import { withConnection } from "../../../server/postgres/connect.ts";
import { createRequestPool } from "../../../server/postgres/request-pool.ts";
import { signToken } from "../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase, untilWaiting } from "../../helpers/database.ts";
import { jwtSecret, startTestServer, type TestServer } from "../../helpers/server.ts";

/** Takes as many seconds as its content says. */
const createNotes = `mutation ($first: CreateNoteInput!, $second: CreateNoteInput!) {
  first: createNote(input: $first) { note { content } }
  second: createNote(input: $second) { note { content } }
}`;

let database: TestDatabase;
let entityId: string;

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
  await withServer({}, async (server) => {
    entityId = await server.create("company", { name: "Acme" });
  });
});
afterAll(() => database.drop());

async function withServer<Result>(
  timeouts: Partial<Timeouts>,
  work: (server: TestServer) => Promise<Result>,
): Promise<Result> {
  const server = await startTestServer(database.serverUrl, { poolSize: 1, timeouts });
  try {
    return await work(server);
  } finally {
    await server.close();
  }
}

const note = (seconds: string) => ({ note: { content: seconds, entityType: "company", entityId } });
const codes = ({ errors = [] }: { errors?: { extensions: { code: string } }[] }) =>
  errors.map(({ extensions }) => extensions.code);

/** Does something while nobody else can read the companies. */
const whileLocked = <Result>(work: (client: pg.Client) => Promise<Result>) =>
  withConnection(database.ownerUrl, async (client) => {
    await client.query("begin; lock table crm.companies in access exclusive mode");
    const result = await work(client);
    await client.query("rollback");
    return result;
  });

describe("TIMEOUT answers", () => {
  test("a statement that takes too long; it ends in the database, and undone", async () => {
    // Long enough for the schema to be read on a machine that is busy with other tests.
    await withServer({ statement: 5000 }, async (server) => {
      const answer = await server.graphql(createNotes, { first: note("60"), second: note("0") });
      expect(codes(answer)).toEqual(["TIMEOUT"]);
      expect(answer).toMatchObject({ data: { first: null, second: { note: { content: "0" } } } });
      expect(await server.graphql("{ notes { nodes { content } } }")).toMatchObject({
        data: { notes: { nodes: [{ content: "0" }] } },
      });
      expect(await running()).toEqual([]);
    });
  });

  test("a statement that waits too long for a lock", async () => {
    // Nothing else would end it.
    await withServer({ lock: 100, statement: 0 }, (server) =>
      whileLocked(async () => {
        expect(codes(await server.graphql("{ companies { totalCount } }"))).toEqual(["TIMEOUT"]);
      }),
    );
  });

  test("an operation whose statements take too long together; the rest is not begun", async () => {
    await withServer({ execution: 100 }, async (server) => {
      const answer = await server.graphql(createNotes, { first: note("0.2"), second: note("0.3") });
      expect(codes(answer)).toEqual(["TIMEOUT"]);
      expect(answer).toMatchObject({ data: { first: { note: { content: "0.2" } }, second: null } });
    });
  });

  test("an operation that takes too long to plan", async () => {
    await withServer({ planning: 0.001 }, async (server) => {
      expect(codes(await server.graphql("{ companies { nodes { id } } }"))).toEqual(["TIMEOUT"]);
    });
  });
});

test("a transaction in which nothing happens is ended by the database", async () => {
  const { timeouts } = readConfig({});
  const pool = createRequestPool(database.serverUrl, 1, { ...timeouts, idleInTransaction: 100 });
  const client = await pool.connect();
  const ended = new Promise((resolve) => client.once("error", resolve));
  await client.query("begin");
  expect(await ended).toMatchObject({ code: "25P03" });
  client.release(true);
  await pool.end();
});

test("who waits too long for a connection is told to come back later", async () => {
  await withServer({ pool: 200 }, (server) =>
    whileLocked(async (client) => {
      const running = server.graphql("{ companies { totalCount } }");
      await untilWaiting(client);
      const response = await post(server, "{ contacts { totalCount } }");
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("1");
      expect(codes((await response.json()) as object)).toEqual(["OVERLOADED"]);
      await client.query("commit");

      expect(await running).toMatchObject({ status: 200, data: { companies: { totalCount: 1 } } });
    }),
  );
});

test("what a client asked for ends when it leaves, and its connection with it", async () => {
  // Nothing else would end it, and the pool has one connection.
  await withServer({ statement: 0, pool: 0 }, async (server) => {
    const departure = new AbortController();
    const variables = { first: note("600"), second: note("601") };
    const asked = post(server, createNotes, variables, departure.signal);
    await withConnection(database.ownerUrl, async (client) => {
      await waitFor(client, "select from pg_stat_activity where wait_event = 'PgSleep'");
    });
    const [before] = await running();
    departure.abort();
    await expect(asked).rejects.toThrow();
    // The pool's only connection is free again.
    expect(await server.graphql("{ notes { nodes { content } } }")).not.toMatchObject({
      data: { notes: { nodes: [{ content: "600" }] } },
    });
    expect(await running()).toEqual([]);
    expect(before).toBeDefined();
  });
});

/** The backends that run a statement for a request. */
async function running(): Promise<number[]> {
  return withConnection(database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where usename = 'crm_server' and state = 'active' and datname = current_database()`,
    );
    return rows.map(({ pid }) => pid);
  });
}

async function post(
  { url }: TestServer,
  query: string,
  variables: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<Response> {
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
  return fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
    signal: signal ?? null,
  });
}

/** Asks until there is a row. */
async function waitFor(client: pg.Client, text: string): Promise<void> {
  while ((await client.query(text)).rows.length === 0) await sleep(10);
}
