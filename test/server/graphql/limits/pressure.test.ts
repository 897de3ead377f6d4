import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { OverloadedError } from "../../../../server/errors/classes.ts";
import { createGate } from "../../../../server/postgres/gate.ts";
import { signToken } from "../../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { jwtSecret, startTestServer, type TestServer } from "../../../helpers/server.ts";

const manyRows = "{ companies(first: 1000) { nodes { id contacts(first: 10) { nodes { id } } } } }";
const manyScans = `{ ${Array.from({ length: 5 }, (_, i) => `c${i}: companies(filter: { name: { equalTo: "${i}" } }) { totalCount }`).join(" ")} }`;
const small = "{ contacts { nodes { id } totalCount } }";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** Does something while nobody can read the companies. */
async function whileLocked(
  options: { pool?: number; operations?: number; large?: number; writeTurn?: number },
  work: (server: TestServer) => Promise<{ pending: Promise<unknown>[] }>,
): Promise<void> {
  const { pool = 300, operations = 2, large = 4, writeTurn = 20_000 } = options;
  const server = await startTestServer(database.serverUrl, {
    poolSize: 5,
    timeouts: { pool, writeTurn },
    heavy: { operations, connections: 2, writes: 2, large },
  });
  try {
    let pending: Promise<unknown>[] = [];
    await withConnection(database.ownerUrl, async (client) => {
      await client.query("begin; lock table crm.companies in access exclusive mode");
      ({ pending } = await work(server));
      await client.query("rollback");
    });
    // Those that had their turn are answered.
    for (const answer of await Promise.all(pending)) {
      expect(answer).toMatchObject({ status: 200 });
      expect(answer).not.toHaveProperty("errors");
    }
  } finally {
    await server.close();
  }
}

/** How many sessions of the server wait for a lock. */
const blocked = () =>
  withConnection(database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::integer from pg_stat_activity
       where datname = current_database() and usename = 'crm_server' and wait_event_type = 'Lock'`,
    );
    return rows[0]?.count ?? 0;
  });

async function untilBlocked(count: number): Promise<void> {
  while ((await blocked()) < count) await sleep(20);
}

test("large answers come one by one; who waits too long for it gets 503, and small ones go on", () =>
  whileLocked({}, async (server) => {
    const first = server.graphql(manyRows);
    await untilBlocked(1);
    const token = await signToken(jwtSecret, { role: "reader", user: "ann", expires: "1m" });
    const refused = await fetch(`${server.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: manyRows }),
    });
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await refused.json()).toMatchObject({
      errors: [{ extensions: { code: "OVERLOADED" } }],
    });
    expect(await blocked()).toBe(1);
    expect(await server.graphql(small)).toMatchObject({ status: 200 });
    return { pending: [first] };
  }));

test("whole tables are read by a few operations at once, each with a few connections", () =>
  whileLocked({ operations: 2, large: 5 }, async (server) => {
    const running = [server.graphql(manyScans), server.graphql(manyScans)];
    await untilBlocked(4);
    expect(await server.graphql(manyScans)).toMatchObject({ status: 503 });
    expect(await blocked()).toBe(4);
    expect(await server.graphql(small)).toMatchObject({ status: 200 });
    return { pending: running };
  }));

test("who waits has its turn when another is done", () =>
  whileLocked({ pool: 20_000 }, async (server) => {
    const pending = [1, 2, 3].map(() => server.graphql(manyRows));
    await untilBlocked(1);
    return { pending };
  }));

const bulk = (count: number) =>
  [
    `mutation ($input: CreateCompaniesInput!) { createCompanies(input: $input) { created } }`,
    { input: { companies: Array.from({ length: count }, (_, i) => ({ name: `Bulk ${i}` })) } },
  ] as const;

test("many rows are written by a few mutations at once; the others wait for their turn", () =>
  whileLocked({}, async (server) => {
    const running = Array.from({ length: 6 }, () => server.graphql(...bulk(101)));
    await untilBlocked(2);
    // It is answered after the others have arrived.
    expect(await server.graphql(small)).toMatchObject({ status: 200 });
    expect(await blocked()).toBe(2);
    return { pending: running };
  }));

test("who waits too long to write gets 503, and nothing was done", () =>
  whileLocked({ writeTurn: 200 }, async (server) => {
    const running = [server.graphql(...bulk(101)), server.graphql(...bulk(101))];
    await untilBlocked(2);
    expect(await server.graphql(...bulk(101))).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: "OVERLOADED" } }],
    });
    return { pending: running };
  }));

test("what is not small leaves connections to what is, of mutations and functions, too", () =>
  whileLocked({ pool: 5000, large: 3 }, async (server) => {
    const running = [
      ...Array.from({ length: 6 }, () => server.graphql("{ companies { totalCount } }")),
      server.graphql(
        `mutation { createContact(input: { contact: { firstName: "a", lastName: "b" } }) {
          query { companies { totalCount } }
        } }`,
      ),
    ];
    await untilBlocked(3);
    // It is answered after the others have arrived.
    expect(await server.graphql("{ contacts { nodes { id } } }")).toMatchObject({ status: 200 });
    expect(await blocked()).toBe(3);
    return { pending: running };
  }));

describe("a gate", () => {
  const never = () => new Promise<never>(() => undefined);

  test("lets those who wait in by their order, and gives places back after failures, too", async () => {
    const gate = createGate({ places: 2 });
    const order: number[] = [];
    let most = 0;
    let inside = 0;
    const results = await Promise.allSettled(
      [1, 2, 3, 4, 5, 6].map((number) =>
        gate.run(async () => {
          most = Math.max(most, (inside += 1));
          await sleep(5);
          order.push(number);
          inside -= 1;
          if (number % 2 === 0) throw new Error("failed");
          return number;
        }),
      ),
    );
    expect(most).toBe(2);
    expect(order).toEqual([1, 2, 3, 4, 5, 6]);
    expect(results.filter(({ status }) => status === "rejected")).toHaveLength(3);
  });

  test("refuses at once where too many wait", async () => {
    const gate = createGate({ places: 1, queue: 1 });
    void gate.run(never);
    void gate.run(never);
    await expect(gate.run(never)).rejects.toThrow(OverloadedError);
  });

  test("forgets who is gone", async () => {
    const gate = createGate({ places: 1, queue: 1 });
    let finish: () => void = () => undefined;
    const first = gate.run(() => new Promise<void>((resolve) => (finish = resolve)));
    const departure = new AbortController();
    const second = gate.run(never, departure.signal);
    departure.abort();
    await expect(second).rejects.toThrow(OverloadedError);
    const third = gate.run(() => "third");
    finish();
    await first;
    expect(await third).toBe("third");
  });
});
