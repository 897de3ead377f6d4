import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Client, Pool } from "pg";

import { connect, withConnection } from "../../../../server/postgres/connect.ts";
import { InDoubtError, UnavailableError } from "../../../../server/errors/classes.ts";
import { createRepositories } from "../../../../server/repositories/repositories.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestServer(database.serverUrl, {
    timeouts: { lock: 300, statement: 2000 },
    customFieldsInterval: undefined,
  });
});
afterAll(async () => {
  await server.close();
  await database.drop();
});

const create = `mutation ($name: String!) {
  createCompany(input: { company: { name: $name } }) {
    company { name deals { totalCount } }
  }
}`;

/** How many companies of a name there are. */
async function count(name: string): Promise<number> {
  return withConnection(database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      "select count(*)::int as count from crm.companies where name = $1",
      [name],
    );
    return rows[0]?.count ?? 0;
  });
}

async function whileLocked<Result>(
  table: string,
  work: (owner: Client) => Promise<Result>,
): Promise<Result> {
  const owner = await connect(database.ownerUrl);
  try {
    await owner.query(`begin; lock table crm.${table} in access exclusive mode`);
    return await work(owner);
  } finally {
    await owner.end();
  }
}

/** Ends the sessions of the server that wait for a lock, as soon as there is one. */
async function cutBlocked(): Promise<void> {
  await withConnection(database.ownerUrl, async (client) => {
    for (const end = Date.now() + 60_000; ;) {
      if (Date.now() > end) throw new Error("Nobody waits.");
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and usename = 'crm_server' and wait_event_type = 'Lock'`,
      );
      if (rowCount !== 0) return;
      await sleep(5);
    }
  });
}

test("a mutation whose answer takes too long says that it was done", async () => {
  const answer = await whileLocked("deals", () => server.graphql(create, { name: "Late" }));
  expect(answer).toEqual({
    status: 200,
    data: { createCompany: null },
    errors: [
      {
        message: expect.stringMatching(/^The mutation was committed; only its response failed: /),
        locations: expect.any(Array),
        path: ["createCompany", "company", "deals", "totalCount"],
        extensions: { code: "COMMITTED", committed: true, reason: "TIMEOUT" },
      },
    ],
  });
  expect(await count("Late")).toBe(1);
});

test("so does one whose connection is lost while its answer is read", async () => {
  const [{ status, errors }] = await whileLocked("deals", () =>
    Promise.all([server.graphql(create, { name: "Cut" }), cutBlocked()]),
  );
  expect({ status, extensions: errors?.map(({ extensions }) => extensions) }).toEqual({
    status: 200,
    extensions: [{ code: "COMMITTED", committed: true, reason: "UNAVAILABLE" }],
  });
  expect(await count("Cut")).toBe(1);
});

test("one whose connection is lost while it is made says that this is not known", async () => {
  const [{ status, errors }] = await whileLocked("companies", () =>
    Promise.all([server.graphql(create, { name: "Doubt" }), cutBlocked()]),
  );
  expect({ status, extensions: errors?.map(({ extensions }) => extensions) }).toEqual({
    status: 200,
    extensions: [{ code: "IN_DOUBT", committed: "unknown" }],
  });
});

test("one that was not done can be repeated: it took too long, or is not right", async () => {
  const late = await whileLocked("companies", () => server.graphql(create, { name: "Never" }));
  expect(late.errors?.map(({ extensions }) => extensions)).toEqual([{ code: "TIMEOUT" }]);
  const faulty = await server.graphql(create, { name: " " });
  expect(faulty.errors?.map(({ extensions }) => extensions.code)).toEqual(["VALIDATION_ERROR"]);
  expect(await count("Never")).toBe(0);
});

test("of several mutations each error tells of its own", async () => {
  const { errors } = await whileLocked("deals", () =>
    server.graphql(`mutation {
      a: createCompany(input: { company: { name: "First" } }) { company { deals { totalCount } } }
      b: createCompany(input: { company: { name: "" } }) { company { id } }
      c: createCompany(input: { company: { name: "Third" } }) { company { id } }
      d: updateCompany(input: { id: "00000000-0000-4000-8000-000000000000", patch: { name: "x" } }) {
        company { id }
      }
    }`),
  );
  expect(errors?.map(({ path, extensions }) => [path?.[0], extensions.code])).toEqual([
    ["a", "COMMITTED"],
    ["b", "VALIDATION_ERROR"],
    ["d", "NOT_FOUND"],
  ]);
  expect([await count("First"), await count("Third")]).toEqual([1, 1]);
});

test("bulk writes and functions tell it, too", async () => {
  const companyId = await server.create("company", { name: "Acme" });
  const answers = await whileLocked("notes", () =>
    Promise.all([
      server.graphql(
        `mutation { createCompanies(input: { companies: [{ name: "Bulk" }] }) {
          created companies { notes { totalCount } }
        } }`,
      ),
      server.graphql(
        `mutation ($companyId: ID!) {
          createDealWithTasks(
            input: { deal: { title: "With tasks", companyId: $companyId, value: "1", stage: "Proposal" } }
          ) { query { notes { totalCount } } }
        }`,
        { companyId },
      ),
    ]),
  );
  for (const { errors } of answers) {
    expect(errors?.map(({ extensions }) => extensions)).toEqual([
      { code: "COMMITTED", committed: true, reason: "TIMEOUT" },
    ]);
  }
  expect(await count("Bulk")).toBe(1);
});

test("a mutation with an idempotency key is undone with its answer, and says nothing else", async () => {
  const { status, errors } = await whileLocked("deals", () =>
    server.graphql(
      `mutation { createCompany(input: { idempotencyKey: "k", company: { name: "Key" } }) {
        company { deals { totalCount } }
      } }`,
    ),
  );
  expect({ status, extensions: errors?.map(({ extensions }) => extensions) }).toEqual({
    status: 200,
    extensions: [{ code: "TIMEOUT" }],
  });
  expect(await count("Key")).toBe(0);
});

test("a client that repeats what was not done makes no duplicates, however busy the server is", async () => {
  const busy = await startTestServer(database.serverUrl, {
    poolSize: 3,
    timeouts: { pool: 60 },
    customFieldsInterval: undefined,
  });
  const withRelations = `mutation ($name: String!) {
    createCompany(input: { company: { name: $name } }) {
      company {
        id
        contacts { nodes { id deals { totalCount } } }
        deals { totalCount nodes { id } }
        tasks { nodes { id } } notes { nodes { id } }
      }
    }
  }`;
  const codes = new Map<unknown, number>();
  async function untilDone(name: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { errors = [] } = await busy.graphql(withRelations, { name });
      if (errors.length === 0) return;
      const { code } = errors[0]?.extensions ?? {};
      codes.set(code, (codes.get(code) ?? 0) + 1);
      if (!["OVERLOADED", "TIMEOUT", "UNAVAILABLE"].includes(String(code))) return;
      await sleep(Math.random() * 200 * attempt);
    }
  }
  try {
    await Promise.all(Array.from({ length: 160 }, (_, i) => untilDone(`Busy ${i}`)));
  } finally {
    await busy.close();
  }
  await withConnection(database.ownerUrl, async (client) => {
    const { rows } = await client.query(
      `select count(*)::int as rows, count(distinct name)::int as names
       from crm.companies where name like 'Busy %'`,
    );
    expect(rows).toEqual([{ rows: 160, names: 160 }]);
  });
  expect(codes.get("OVERLOADED")).toBeGreaterThan(0);
  expect(codes.get("COMMITTED")).toBeUndefined();
}, 240_000);

test("a repository says of a lost connection whether a change was under way", async () => {
  const pool = new Pool({ connectionString: database.serverUrl });
  pool.on("error", () => undefined);
  const { companies } = createRepositories(pool);
  try {
    await whileLocked("companies", async () => {
      const write = companies.create({ name: "Typed" }, "ada");
      await Promise.all([expect(write).rejects.toThrow(InDoubtError), cutBlocked()]);
      const read = companies.findAll();
      await Promise.all([expect(read).rejects.toThrow(UnavailableError), cutBlocked()]);
    });
  } finally {
    await pool.end();
  }
});
