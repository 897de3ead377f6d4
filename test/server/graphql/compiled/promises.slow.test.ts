import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { signToken, type TokenRole } from "../../../../server/auth/token.ts";
import { withConnection } from "../../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { until } from "../../../helpers/process.ts";
import {
  type Answer,
  jwtSecret,
  type ServerOptions,
  startTestServer,
  type TestServer,
} from "../../../helpers/server.ts";
import { tapWire } from "../../../helpers/wire.ts";

/** The documents of this file, by id. */
const documents = {
  company: "query Company($id: ID!) { company(id: $id) { id name } }",
  companies: "query Companies($first: Int) { companies(first: $first) { nodes { name } } }",
  many: `query Many {
    companies(first: 1000) { nodes { id contacts(first: 10) { nodes { id } } } }
  }`,
  filtered: `query Filtered($filter: CompanyFilter) {
    companies(filter: $filter) { nodes { name } }
  }`,
  create: `mutation Create($name: String!) {
    createCompany(input: { company: { name: $name } }) { company { name } }
  }`,
  createOnce: `mutation CreateOnce($input: CreateCompanyInput!) {
    createCompany(input: $input) { company { id name } }
  }`,
  update: `mutation Update($id: ID!, $name: String) {
    updateCompany(input: { id: $id, patch: { name: $name } }) { company { name } }
  }`,
  patch: `mutation Patch($id: ID!, $patch: CompanyPatch!) {
    updateCompany(input: { id: $id, patch: $patch }) { company { id } }
  }`,
  searched: `query Searched($text: String!, $after: Cursor) {
    companies(search: $text, first: 1, after: $after) {
      nodes { name }
      pageInfo { endCursor }
    }
  }`,
  pages: `query Pages($after: Cursor) {
    companies(first: 1, after: $after) { nodes { name } pageInfo { endCursor } }
  }`,
  days: "query Days { deals { groupedAggregates(groupBy: [CREATED_AT_TRUNCATED_TO_DAY]) { keys } } }",
  nickname: `query Nickname($filter: ContactFilter) {
    contacts(filter: $filter) { nodes { firstName nickname } }
  }`,
  two: "query One { companies { totalCount } } query Other { contacts { totalCount } }",
} as const;

type Id = keyof typeof documents;

let folder: string;
let database: TestDatabase;
let server: TestServer;
let acme: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-compiled-"));
  for (const [id, text] of Object.entries(documents)) persist(id, text);
  database = await createTestDatabase();
  server = await start({ metricsToken: "metrics" });
  acme = await server.create("company", { name: "Acme" });
  await server.create("deal", { title: "A", companyId: acme, value: "1", stage: "Won" });
  await server.create("contact", { firstName: "Ann", lastName: "A", emails: ["a@example.com"] });
});
afterAll(async () => {
  await server.close();
  await database.drop();
  rmSync(folder, { recursive: true });
});

function persist(id: string, text: string): void {
  writeFileSync(join(folder, `${id}.graphql`), text);
}

const start = (options: ServerOptions = {}, url = database.serverUrl) =>
  startTestServer(url, { persisted: { folder, only: false }, ...options });

async function withServer(
  options: ServerOptions,
  work: (server: TestServer) => Promise<void>,
  url?: string,
): Promise<void> {
  const other = await start(options, url);
  try {
    await work(other);
  } finally {
    await other.close();
  }
}

interface Asked extends Answer<Record<string, unknown>> {
  /** Whether it was answered by a compiled statement. */
  readonly compiled: boolean;
  readonly retryAfter: string | null;
}

interface Options {
  role?: TokenRole;
  key?: string;
  zone?: string;
  signal?: AbortSignal;
}

let asked = 0;

async function send(
  { url, log }: TestServer,
  body: object,
  { role = "admin", key, zone, signal }: Options = {},
): Promise<Asked> {
  asked += 1;
  const id = `request-${asked}`;
  const token = key ?? (await signToken(jwtSecret, { role, user: "tester", expires: "5m" }));
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-request-id": id,
      authorization: `Bearer ${token}`,
      ...(zone !== undefined && { "time-zone": zone }),
    },
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
  const answer = (await response.json()) as Answer<Record<string, unknown>>;
  for (const { extensions } of answer.errors ?? []) delete extensions.requestId;
  // The line is written when the response is completed.
  await until(async () => Promise.resolve(lineOf(log, id) !== undefined));
  return {
    ...answer,
    status: response.status,
    retryAfter: response.headers.get("retry-after"),
    compiled: lineOf(log, id)?.compiled === true,
  };
}

function lineOf(log: TestServer["log"], id: string) {
  return log.find(({ req }) => (req as { id?: string } | undefined)?.id === id);
}

const ask = (id: Id, variables: object = {}, options?: Options, at = server) =>
  send(at, { documentId: id, variables }, options);

const codes = ({ errors = [] }: Answer<unknown>) => errors.map(({ extensions }) => extensions.code);

/** Expects that an operation fails by id as it does by text. */
async function expectSameError(id: Id, variables: object, options?: Options): Promise<void> {
  const { compiled, ...byId } = await ask(id, variables, options);
  const byText = await send(server, { query: documents[id], variables }, options);
  expect(compiled).toBe(false);
  expect({ ...byId, compiled }).toEqual(byText);
}

/** Does something while nobody else can use the companies. */
async function whileLocked(work: () => Promise<void>): Promise<void> {
  await withConnection(database.ownerUrl, async (client) => {
    await client.query("begin; lock table crm.companies in access exclusive mode");
    await work();
    await client.query("rollback");
  });
}

/** Returns the number of sessions of servers of which something is true. */
async function sessions(condition: string): Promise<number> {
  return withConnection(database.ownerUrl, async (client) => {
    const { rowCount } = await client.query(
      `select from pg_stat_activity
       where datname = current_database() and usename = 'crm_server' and ${condition}`,
    );
    return rowCount ?? 0;
  });
}

const untilBlocked = (count = 1) =>
  until(async () => (await sessions("wait_event_type = 'Lock'")) === count);

/** Returns the number of rows of a table of which something is true. */
async function count(table: string, condition: string, ...values: unknown[]): Promise<number> {
  return withConnection(database.ownerUrl, async (client) => {
    const { rowCount } = await client.query(`select from crm.${table} where ${condition}`, values);
    return rowCount ?? 0;
  });
}

test("JSON of another kind has another statement", async () => {
  for (const customFields of [1.5, {}, { unknown: 1 }, [1], "text", null]) {
    const body = { id: acme, patch: { customFields } };
    const byId = await ask("patch", body);
    const byText = await send(server, { query: documents.patch, variables: body });
    expect({ ...byId, compiled: false }).toEqual(byText);
    if (typeof customFields !== "object" || Array.isArray(customFields)) {
      expect(codes(byId)).toEqual(["VALIDATION_ERROR"]);
    }
  }
});

test("an operation is answered by a statement, and the log and the metrics name it", async () => {
  expect(await ask("company", { id: acme })).toMatchObject({
    status: 200,
    data: { company: { id: acme, name: "Acme" } },
    compiled: true,
  });
  expect(lineOf(server.log, `request-${asked}`)).toMatchObject({
    operation: "query company",
    operationName: "Company",
    role: "crm_admin",
    user: "tester",
    compiled: true,
  });
  const metrics = await fetch(`${server.url}/metrics`, {
    headers: { authorization: "Bearer metrics" },
  });
  expect(await metrics.text()).toMatch(
    /pgcrm_requests_total\{operation="query company",code="OK"\} [1-9]/,
  );
});

test("of two operations of a document the named one is answered", async () => {
  const named = (operationName?: string) =>
    send(server, { documentId: "two", ...(operationName !== undefined && { operationName }) });
  expect(await named("One")).toMatchObject({ compiled: true, data: { companies: {} } });
  expect(await named("Other")).toMatchObject({ compiled: true, data: { contacts: {} } });
  for (const name of [undefined, "Third", ""]) {
    expect((await named(name)).compiled).toBe(false);
  }
});

test("the empty name is that of no operation, also after the operation was answered", async () => {
  for (const operationName of [undefined, "", null, "Company", ""]) {
    const variables = { id: acme };
    const byId = await send(server, { documentId: "company", operationName, variables });
    const byText = await send(server, { query: documents.company, operationName, variables });
    expect(byId).toEqual({ ...byText, compiled: byId.compiled });
  }
});

describe("limits hold", () => {
  test("of the page, given by a variable, also after a page that was small enough", async () => {
    expect((await ask("companies", { first: 2 })).compiled).toBe(true);
    await expectSameError("companies", { first: 5000 });
    await expectSameError("companies", { first: -1 });
    expect(codes(await ask("companies", { first: 5000 }))).toEqual(["QUERY_TOO_COMPLEX"]);
  });

  test("of the depth of a filter, given by a variable", async () => {
    const deep = (levels: number): object =>
      levels === 0 ? { name: { equalTo: "x" } } : { not: deep(levels - 1) };
    await expectSameError("filtered", { filter: deep(10) });
    await expectSameError("filtered", { filter: { name: { in: Array(3000).fill("x") } } });
  });

  test("of requests a minute", () =>
    withServer({ rateLimits: { user: 2, address: 0 } }, async (at) => {
      expect(await ask("company", { id: acme }, {}, at)).toMatchObject({ status: 200 });
      expect(await ask("company", { id: acme }, {}, at)).toMatchObject({ compiled: true });
      const refused = await ask("company", { id: acme }, {}, at);
      expect([refused.status, ...codes(refused)]).toEqual([429, "RATE_LIMITED"]);
    }));

  test("of large responses at once; small ones go on", () =>
    withServer({ timeouts: { pool: 300 } }, async (at) => {
      let first: Promise<Asked> | undefined;
      await whileLocked(async () => {
        first = ask("many", {}, {}, at);
        await untilBlocked();
        const refused = await ask("many", {}, {}, at);
        expect([refused.status, refused.retryAfter, ...codes(refused)]).toEqual([
          ...[503, "1", "OVERLOADED"],
        ]);
        expect(await sessions("wait_event_type = 'Lock'")).toBe(1);
        expect(await ask("days", {}, {}, at)).toMatchObject({ status: 200, compiled: true });
      });
      expect(await first).toMatchObject({ status: 200, compiled: true });
    }));
});

describe("a statement", () => {
  test("ends when the client leaves, and its connection with it", () =>
    withServer({ poolSize: 1, timeouts: { statement: 0, lock: 0 } }, async (at) => {
      await whileLocked(async () => {
        const departure = new AbortController();
        const left = ask("company", { id: acme }, { signal: departure.signal }, at);
        await untilBlocked();
        departure.abort();
        await expect(left).rejects.toThrow();
        await until(async () => (await sessions("state = 'active'")) === 0);
      });
      expect(await ask("company", { id: acme }, {}, at)).toMatchObject({ compiled: true });
    }));

  test("that takes too long is TIMEOUT, and is not tried again", () =>
    withServer({ timeouts: { lock: 300 } }, async (at) => {
      await whileLocked(async () => {
        const begin = performance.now();
        for (const id of ["filtered", "create"] as const) {
          expect(codes(await ask(id, { name: "Late" }, {}, at))).toEqual(["TIMEOUT"]);
        }
        expect(performance.now() - begin).toBeLessThan(20_000);
      });
      expect(await count("companies", "name = 'Late'")).toBe(0);
    }));

  test("that finds no connection is OVERLOADED", () =>
    withServer({ poolSize: 1, timeouts: { pool: 300 } }, async (at) => {
      let first: Promise<Asked> | undefined;
      await whileLocked(async () => {
        first = ask("company", { id: acme }, {}, at);
        await untilBlocked();
        for (const id of ["company", "create"] as const) {
          const refused = await ask(id, { id: acme, name: "Never" }, {}, at);
          expect([refused.status, refused.retryAfter, ...codes(refused)]).toEqual([
            ...[503, "1", "OVERLOADED"],
          ]);
        }
      });
      expect(await first).toMatchObject({ compiled: true });
    }));
});

/** What stands between a server and its database. */
interface Way {
  readonly url: string;
  /** `open`; `closed`, no connection is made; `cut`, the next answer to a statement is lost. */
  state: "open" | "closed" | "cut";
  cut(): void;
  close(): void;
}

async function openWay(databaseUrl: string): Promise<Way> {
  const { hostname, port } = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const url = new URL(databaseUrl);
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  const listener = createServer((client) => {
    if (way.state === "closed") return void client.destroy();
    const backend = connect(Number(port), hostname);
    for (const socket of [client, backend]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        backend.destroy();
      });
    }
    client.pipe(backend);
    backend.on("data", (chunk) => {
      if (way.state === "cut") cutAll();
      else client.write(chunk);
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  url.port = String((listener.address() as AddressInfo).port);
  url.searchParams.set("sslmode", "disable");
  const way: Way = {
    ...{ url: url.href, state: "open", cut: cutAll },
    close() {
      cutAll();
      listener.close();
    },
  };
  return way;
}

describe("if the connection to the database is lost", () => {
  let way: Way;
  let at: TestServer;
  beforeAll(async () => {
    way = await openWay(database.serverUrl);
    at = await start({ customFieldsInterval: undefined, poolSize: 2 }, way.url);
  });
  afterAll(async () => {
    await at.close();
    way.close();
  });

  test("an operation is UNAVAILABLE while there is no other, a mutation, too", async () => {
    for (const id of ["company", "create"] as const) {
      expect(await ask(id, { id: acme, name: "Before" }, {}, at)).toMatchObject({ compiled: true });
      way.state = "closed";
      way.cut();
      const lost = await ask(id, { id: acme, name: "Away" }, {}, at);
      expect([lost.status, ...codes(lost)]).toEqual([503, "UNAVAILABLE"]);
      expect(await count("companies", "name = 'Away'")).toBe(0);
      way.state = "open";
      await until(async () => (await ask("company", { id: acme }, {}, at)).status === 200);
    }
  });

  test("a mutation whose response is lost is IN_DOUBT, and is not executed twice", async () => {
    const given = { name: "Doubt" };
    expect(await ask("create", { name: "Before" }, {}, at)).toMatchObject({ compiled: true });
    way.state = "cut";
    const lost = ask("create", given, {}, at);
    await until(async () => (await count("companies", "name = 'Doubt'")) > 0);
    way.state = "open";
    expect((await lost).errors?.map(({ extensions }) => extensions)).toEqual([
      { code: "IN_DOUBT", committed: "unknown" },
    ]);
    expect(await count("companies", "name = 'Doubt'")).toBe(1);
  });
});

describe("a mutation", () => {
  test("is executed once", async () => {
    expect(await ask("create", { name: "Once" })).toMatchObject({
      status: 200,
      data: { createCompany: { company: { name: "Once" } } },
      compiled: true,
    });
    expect(await count("companies", "name = 'Once'")).toBe(1);
    expect(await count("audit_logs", "changes ->> 'name' = 'Once'")).toBe(1);
  });

  test("of no row is NOT_FOUND, as by text", async () => {
    const nowhere = { id: "00000000-0000-4000-8000-000000000000", name: "x" };
    expect((await ask("update", { id: acme, name: "Acme 2" })).compiled).toBe(true);
    await expectSameError("update", nowhere);
    expect(codes(await ask("update", nowhere))).toEqual(["NOT_FOUND"]);
  });

  test("with faulty values is refused as by text, and writes nothing", async () => {
    for (const name of [" ", "x".repeat(300), "\u0000", "\ud800", null]) {
      await expectSameError("create", { name });
      if (name !== null) await expectSameError("update", { id: acme, name });
    }
    await expectSameError("create", { name: "Reader" }, { role: "reader" });
    await expectSameError("filtered", { filter: { name: { notEqualTo: "\ud800" } } });
    expect(await count("companies", "name = 'Reader' or length(name) = 300 or name = ' '")).toBe(0);
  });

  test("with a key of idempotency has its effect once", async () => {
    const input = { idempotencyKey: "compiled-once-1", company: { name: "Idempotent" } };
    const first = await ask("createOnce", { input });
    const second = await ask("createOnce", { input });
    expect(second.data).toEqual(first.data);
    expect(await count("companies", "name = 'Idempotent'")).toBe(1);
    // Another request has another shape, and the same key is refused.
    const other = { ...input, company: { name: "Another" } };
    expect(codes(await ask("createOnce", { input: other }))).toEqual(["VALIDATION_ERROR"]);
    expect(await count("companies", "name = 'Another'")).toBe(0);
  });
});

test("the time zone of a request is that of the statement", async () => {
  const zones = ["Pacific/Kiritimati", "Pacific/Pago_Pago"];
  const days = await Promise.all(
    zones.map(async (zone) => {
      const byId = await ask("days", {}, { zone });
      const byText = await send(server, { query: documents.days }, { zone });
      expect(byId).toMatchObject({ compiled: true, data: byText.data });
      return JSON.stringify(byId.data);
    }),
  );
  expect(new Set(days).size).toBe(2);
});

test("a role sees what it may see, with the statement of another role", async () => {
  const text = "query Keys { apiKeys { nodes { name } } }";
  persist("keys", text);
  await until(async () => (await send(server, { documentId: "keys" })).compiled);
  expect(codes(await send(server, { documentId: "keys" }, { role: "member" }))).toEqual([
    "FORBIDDEN",
  ]);
});

test("a revoked API key is refused", async () => {
  const { data } = await send(server, {
    query: `mutation { createApiKey(input: { name: "compiled", role: reader }) {
      issuedApiKey { key apiKey { id } }
    } }`,
  });
  const { key, apiKey } = (
    data?.createApiKey as { issuedApiKey: { key: string; apiKey: { id: string } } }
  ).issuedApiKey;
  expect(await ask("company", { id: acme }, { key })).toMatchObject({ compiled: true });
  await send(server, {
    query: "mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { clientMutationId } }",
    variables: { id: apiKey.id },
  });
  expect(await ask("company", { id: acme }, { key })).toMatchObject({
    status: 401,
    compiled: false,
  });
});

test("a custom field is served from when it is defined until it is deleted", async () => {
  const before = await ask("nickname");
  expect([before.compiled, ...codes(before)]).toEqual([false, "GRAPHQL_VALIDATION_FAILED"]);
  const define = (text: string) =>
    withConnection(database.ownerUrl, (client) => client.query(text));
  await define(
    `insert into crm.custom_field_definitions (entity_type, name, label, field_type)
     values ('contact', 'nickname', 'Nickname', 'text')`,
  );
  await define(`update crm.contacts set custom_fields = '{"nickname": "Nan"}'`);
  await until(async () => (await ask("nickname")).data !== undefined);
  const filter = { nickname: { equalTo: "Nan" } };
  expect(await ask("nickname", { filter })).toMatchObject({
    compiled: true,
    data: { contacts: { nodes: [{ firstName: "Ann", nickname: "Nan" }] } },
  });
  // The function of the field changes before the schema does: the response stays a text.
  await define("delete from crm.custom_field_definitions where name = 'nickname'");
  await define(
    `insert into crm.custom_field_definitions (entity_type, name, label, field_type)
     values ('contact', 'nickname', 'Nickname', 'number')`,
  );
  await define(`update crm.contacts set custom_fields = '{"nickname": 1.50}'`);
  await until(async () => {
    const { data } = await send(server, { query: "{ contacts { nodes { nickname } } }" });
    return JSON.stringify(data).includes('"1.50"');
  });
  expect(await ask("nickname")).toMatchObject({
    compiled: true,
    data: { contacts: { nodes: [{ nickname: "1.50" }] } },
  });
  // Then the field is a decimal, and the statement of the text is not used.
  await until(async () => codes(await ask("nickname", { filter })).length > 0);
  await expectSameError("nickname", { filter });
});

test("of more shapes than are kept, all are compiled", () =>
  // Otherwise a new schema begins with no statement.
  withServer({ customFieldsInterval: undefined }, async (at) => {
    const operators = [
      "equalTo",
      "notEqualTo",
      "includes",
      "startsWith",
      "endsWith",
      "like",
      "lessThan",
      "greaterThan",
    ];
    const filters = operators.flatMap((one) =>
      operators.map((other) => ({ name: { [one]: "a" }, ownerId: { [other]: "b" } })),
    );
    const compiled: boolean[] = [];
    for (const filter of filters) {
      const byId = await ask("filtered", { filter }, {}, at);
      const byText = await send(at, { query: documents.filtered, variables: { filter } });
      expect(byId).toEqual({ ...byText, compiled: byId.compiled });
      compiled.push(byId.compiled);
    }
    expect(compiled).toEqual(filters.map(() => true));
    expect((await ask("filtered", { filter: filters[0] }, {}, at)).compiled).toBe(true);
  }));

test("a request beyond the limits is refused before it is compiled", async () => {
  const or = Array.from({ length: 20_000 }, (_, i) => ({ name: { equalTo: `a${i}` } }));
  await expectSameError("filtered", { filter: { or } });
  let deep: unknown = "x";
  for (let i = 0; i < 3000; i += 1) deep = [deep];
  await expectSameError("companies", { first: 1, undeclared: deep });
});

test("a long text that would be a part of the statement is answered without one", async () => {
  const filter = { name: { equalTo: `${"x".repeat(200)}\\` } };
  const { compiled, ...byId } = await ask("filtered", { filter });
  expect(compiled).toBe(false);
  expect(byId.data).toEqual({ companies: { nodes: [] } });
  expect((await ask("filtered", { filter: { name: { equalTo: "x\\" } } })).compiled).toBe(true);
});

test("the next pages are those of the statement, and of no other list", async () => {
  await server.create("company", { name: "Paged Alpha" });
  await server.create("company", { name: "Paged Beta" });
  interface Companies {
    readonly companies?: {
      readonly nodes: readonly { name: string }[];
      readonly pageInfo: { endCursor: string };
    };
  }
  const cursors: Record<string, string> = {};
  for (const [id, variables] of [
    ["searched", { text: "paged" }],
    ["pages", {}],
  ] as const) {
    const first = await ask(id, variables);
    const after = (first.data as Companies).companies?.pageInfo.endCursor ?? "";
    cursors[id] = after;
    const next = await ask(id, { ...variables, after });
    expect(next.compiled).toBe(true);
    const { nodes = [] } = (next.data as Companies).companies ?? {};
    expect(nodes).toHaveLength(1);
    expect(nodes).not.toEqual((first.data as Companies).companies?.nodes);
  }
  // The order of another search is another one, too.
  const other = { text: "beta", after: cursors.searched };
  for (let i = 0; i < 60; i += 1) {
    const junk = btoa(JSON.stringify(["x", [`junk${i}`, "1"], "2"]));
    await expectSameError("pages", { after: junk });
  }
  await expectSameError("pages", { after: cursors.searched });
  await expectSameError("searched", other);
  expect((await ask("pages", { after: cursors.pages })).compiled).toBe(true);
});

test("a malformed request is refused as by text", async () => {
  for (const part of [
    { variables: [] },
    { variables: [1] },
    { variables: "x" },
    { onError: "FOO" },
    { onError: 5 },
    { extensions: "x" },
    { extensions: [] },
    { operationName: 5 },
  ]) {
    const byId = await send(server, { documentId: "companies", ...part });
    const byText = await send(server, { query: documents.companies, ...part });
    expect({ part, ...byId }).toEqual({ part, ...byText });
    expect(byId.status).toBe(400);
  }
});

test("a connection has a limited number of prepared statements", async () => {
  const wire = await tapWire(database.serverUrl);
  for (let i = 0; i < 220; i += 1) persist(`n${i}`, `query { companies { a${i}: totalCount } }`);
  await withServer(
    { poolSize: 1, customFieldsInterval: undefined },
    async (at) => {
      for (let i = 0; i < 220; i += 1) {
        expect((await send(at, { documentId: `n${i}` })).compiled).toBe(true);
      }
      const number = (type: string) => wire.messages.filter((message) => message === type).length;
      expect(number("P")).toBeGreaterThan(220);
      expect(number("P") - number("C")).toBeLessThanOrEqual(210);
    },
    wire.url,
  );
  wire.close();
});
