import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AddressInfo, connect, createServer } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createClient } from "graphql-ws";
import type pg from "pg";
import { WebSocket } from "ws";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { signToken } from "../../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase, untilWaiting } from "../../../helpers/database.ts";
import {
  type Answer,
  type Caller,
  jwtSecret,
  startTestServer,
  type ServerOptions,
  type TestServer,
} from "../../../helpers/server.ts";
import { tapWire } from "../../../helpers/wire.ts";

interface Created {
  createCompany: { company: { id: string; name: string; version: number } } | null;
}

const createCompany = `mutation ($input: CreateCompanyInput!) {
  createCompany(input: $input) { company { id name version createdAt } }
}`;

let database: TestDatabase;
let server: TestServer;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestServer(database.serverUrl, { poolSize: 6 });
});
afterAll(async () => {
  await server.close();
  await database.drop();
});

const asOwner = <Result>(work: (client: pg.Client) => Promise<Result>) =>
  withConnection(database.ownerUrl, work);

/** What the owner of the database finds in one column. */
async function find<Value>(text: string, ...values: unknown[]): Promise<Value[]> {
  const { rows } = await asOwner((client) =>
    client.query<[Value]>({ text, values, rowMode: "array" }),
  );
  return rows.map(([value]) => value);
}

/** The audit log entries about companies of this name. */
const entries = (name: string) =>
  find<string>(
    `select action from crm.audit_logs
     where entity_type = 'company' and changes ->> 'name' = $1
     order by id`,
    name,
  );

const companies = (name: string) =>
  find<string>("select id from crm.companies where name = $1", name);

/** Creates a company whose name is also the key, unless told otherwise. */
async function create(
  name: string,
  { key = name, to = server, caller }: { key?: string; to?: TestServer; caller?: Caller } = {},
): Promise<Answer<Created>> {
  const input = { idempotencyKey: key, company: { name } };
  return to.graphql<Created>(createCompany, { input }, caller);
}

async function withServer(
  options: ServerOptions & { url?: string },
  work: (server: TestServer) => Promise<void>,
): Promise<void> {
  const { url = database.serverUrl, ...rest } = options;
  const other = await startTestServer(url, rest);
  try {
    await work(other);
  } finally {
    await other.close();
  }
}

describe("a mutation that is repeated with its key", () => {
  test("is answered what the first one was answered, and does nothing", async () => {
    const name = randomUUID();
    const first = await create(name);
    expect(first).toMatchObject({ status: 200, data: { createCompany: { company: { name } } } });
    await asOwner((client) =>
      client.query("update crm.companies set name = name || '!' where name = $1", [name]),
    );
    expect(JSON.stringify(await create(name))).toBe(JSON.stringify(first));
    expect(await companies(`${name}!`)).toHaveLength(1);
    expect(await companies(name)).toEqual([]);
    expect(await entries(name)).toEqual(["create"]);
  });

  test("is done once where ten come at once, and all have the one answer", async () => {
    const name = randomUUID();
    const answers = await asOwner(async (client) => {
      await client.query("begin; lock table crm.companies in access exclusive mode");
      const asked = Array.from({ length: 10 }, () => create(name));
      await untilWaiting(client, 6); // as many as there are connections
      await client.query("commit");
      return Promise.all(asked);
    });
    expect(answers[0]).toMatchObject({ data: { createCompany: { company: { name } } } });
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await entries(name)).toEqual(["create"]);
  });

  test("is done once where two servers are asked at once", async () => {
    await withServer({}, async (other) => {
      const name = randomUUID();
      const answers = await Promise.all(
        [server, other, server, other].map((to) => create(name, { to })),
      );
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
      expect(await entries(name)).toEqual(["create"]);
    });
  });

  test("of every kind is answered the same, deletions and those that find nothing included", async () => {
    const id = await server.create("company", { name: "Gone" });
    const remove = `mutation ($input: DeleteCompanyInput!) {
      deleteCompany(input: $input) { clientMutationId company { id name } }
    }`;
    const input = { id, clientMutationId: "mine", idempotencyKey: randomUUID() };
    const first = await server.graphql(remove, { input });
    expect(first).toMatchObject({
      data: { deleteCompany: { clientMutationId: "mine", company: { id } } },
    });
    expect(await server.graphql(remove, { input })).toEqual(first);
    const anew = { input: { ...input, idempotencyKey: randomUUID() } };
    expect(await server.graphql(remove, anew)).toMatchObject({
      data: { deleteCompany: null },
      errors: [{ extensions: { code: "NOT_FOUND" } }],
    });
  });

  test("is found in literals, in variables of their own, by default, and in fragments", async () => {
    const documents = [
      `mutation { created: createCompany(input: { idempotencyKey: "KEY", company: { name: "KEY" } }) { company { id } } }`,
      `mutation ($key: String = "KEY") { ...made } fragment made on Mutation {
        ... on Mutation { createCompany(input: { idempotencyKey: $key, company: { name: "KEY" } }) { company { id } } }
      }`,
      `mutation ($input: CreateCompanyInput! = { idempotencyKey: "KEY", company: { name: "KEY" } }, $no: Boolean = false) {
        __typename
        createCompany(input: $input) { company { id } }
        createPipelineStage(input: { pipelineStage: { name: "KEY" } }) @include(if: $no) { clientMutationId }
      }`,
    ];
    for (const document of documents) {
      const name = randomUUID();
      const first = await server.graphql(document.replaceAll("KEY", name));
      expect(first).not.toHaveProperty("errors");
      expect(await server.graphql(document.replaceAll("KEY", name))).toEqual(first);
      expect(await entries(name)).toEqual(["create"]);
    }
  });

  test("is answered over a socket what it was answered by HTTP, and the other way round", async () => {
    const authorization = `Bearer ${await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" })}`;
    const client = createClient({
      url: `${server.url.replace("http", "ws")}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization },
    });
    const overSocket = async (name: string) => {
      const input = { idempotencyKey: name, company: { name } };
      for await (const { data, errors } of client.iterate({
        query: createCompany,
        variables: { input },
      })) {
        return errors === undefined ? { data } : { data, errors };
      }
      throw new Error("there was no answer");
    };
    const [one, other] = [randomUUID(), randomUUID()];
    const { data } = await create(one);
    expect(await overSocket(one)).toEqual({ data });
    const first = await overSocket(other);
    expect(await overSocket(other)).toEqual(first);
    expect(await create(other)).toEqual({ status: 200, ...first });
    expect(await entries(other)).toEqual(["create"]);
    await client.dispose();
  });

  test("is answered where nothing is prepared", async () => {
    await withServer({ preparedStatements: false }, async (unprepared) => {
      const name = randomUUID();
      const first = await create(name, { to: unprepared });
      expect(first).toMatchObject({ data: { createCompany: { company: { name } } } });
      expect(await create(name, { to: unprepared })).toEqual(first);
      expect(await create(name)).toEqual(first);
      expect(await entries(name)).toEqual(["create"]);
    });
  });

  test("is answered by its id what it was answered by its document", async () => {
    const folder = mkdtempSync(join(tmpdir(), "pgcrm-idempotency-"));
    writeFileSync(join(folder, "create.graphql"), createCompany);
    await withServer({ persisted: { folder, only: false } }, async (other) => {
      const name = randomUUID();
      const first = await create(name);
      const variables = { input: { idempotencyKey: name, company: { name } } };
      expect(await other.send(JSON.stringify({ documentId: "create", variables }))).toEqual(first);
      expect(await entries(name)).toEqual(["create"]);
    });
    rmSync(folder, { recursive: true });
  });

  test("is done again where the key is older than a day", async () => {
    const name = randomUUID();
    const first = await create(name);
    const age = (interval: string) =>
      asOwner((client) =>
        client.query(
          "update crm_private.idempotency_keys set expires_at = expires_at - $1::interval",
          [interval],
        ),
      );
    await age("23 hours 59 minutes");
    expect(await create(name)).toEqual(first);
    await age("1 minute");
    const second = await create(name);
    expect(second.data?.createCompany?.company.id).not.toBe(first.data?.createCompany?.company.id);
    expect(await create(name)).toEqual(second);
    expect(await entries(name)).toEqual(["create", "create"]);
  });
});

describe("a mutation with a key that fails", () => {
  test("is tried anew by a repeat", async () => {
    const name = randomUUID();
    const id = randomUUID();
    const createTask = `mutation ($input: CreateTaskInput!) {
      createTask(input: $input) { task { description } }
    }`;
    const task = { description: name, entityType: "company", entityId: id };
    const input = { idempotencyKey: name, task };
    const refused = await server.graphql(createTask, { input });
    expect(refused).toMatchObject({
      data: { createTask: null },
      errors: [{ path: ["createTask"], extensions: { code: "CONSTRAINT_VIOLATION" } }],
    });
    await asOwner((client) =>
      client.query("insert into crm.companies (id, name) values ($1, 'late')", [id]),
    );
    const done = { data: { createTask: { task: { description: name } } } };
    expect(await server.graphql(createTask, { input })).toMatchObject(done);
    expect(await server.graphql(createTask, { input })).toMatchObject(done);
    expect(await find("select id from crm.tasks where description = $1", name)).toHaveLength(1);
  });

  test("in a part of its answer only is not done at all, and says so of that part alone", async () => {
    const name = randomUUID();
    const document = `mutation ($input: CreateCompanyInput!) {
      made: createCompany(input: $input) {
        company { id }
        query { notes { totalCount } tasks { totalCount } contacts { nodes { id } } }
      }
    }`;
    const variables = { input: { idempotencyKey: name, company: { name } } };
    await asOwner((client) => client.query("revoke select on crm.notes from crm_reader"));
    const partial = await server.graphql(document, variables);
    await asOwner((client) => client.query("grant select on crm.notes to crm_reader"));
    expect(partial.data).toEqual({ made: null });
    expect(partial.errors?.map(({ extensions }) => extensions.code)).toEqual(["FORBIDDEN"]);
    expect(await companies(name)).toEqual([]);
    expect(await server.graphql(document, variables)).toMatchObject({
      data: { made: { query: { notes: { totalCount: 0 } } } },
    });
    expect(await entries(name)).toEqual(["create"]);
  });

  test("is refused to readers as without a key", async () => {
    expect(await create(randomUUID(), { caller: { role: "reader" } })).toMatchObject({
      data: { createCompany: null },
      errors: [{ extensions: { code: "FORBIDDEN" } }],
    });
  });
});

describe("a key is refused", () => {
  const refusal = (message: string) => ({
    errors: [
      {
        message: `idempotencyKey ${message}`,
        extensions: { code: "VALIDATION_ERROR", fields: { idempotencyKey: [message] } },
      },
    ],
  });

  test("for another input, another operation or another role than the first one's", async () => {
    const name = randomUUID();
    const used = refusal("was used for another request");
    const first = await create(name);
    const other = await server.graphql(createCompany, {
      input: { idempotencyKey: name, company: { name: "Other" } },
    });
    expect(other).toMatchObject(used);
    const input = { idempotencyKey: name, company: { name } };
    expect(await server.graphql(createCompany.replace("version", ""), { input })).toMatchObject(
      used,
    );
    expect(await create(name, { caller: { role: "member" } })).toMatchObject(used);
    expect(await create(name, { caller: { role: "reader" } })).toMatchObject(used);
    expect(await create(name)).toEqual(first);
    expect(await entries(name)).toEqual(["create"]);
    expect(await companies("Other")).toEqual([]);
  });

  test("not for the members of its variables in another order", async () => {
    const name = randomUUID();
    const first = await create(name);
    const input = { company: { name }, idempotencyKey: name };
    expect(await server.graphql(createCompany, { input })).toEqual(first);
  });

  test("where it is empty, too long, or no text, by its name", async () => {
    const long = "\u{1f511}".repeat(255);
    expect(await create(randomUUID(), { key: long })).not.toHaveProperty("errors");
    for (const key of ["", `${long}x`]) {
      const name = randomUUID();
      expect(await create(name, { key })).toMatchObject(refusal("must have 1 to 255 characters"));
      expect(await companies(name)).toEqual([]);
    }
    for (const key of [5, true, ["x"], {}, "nul\0", "\ud800"]) {
      const input = { idempotencyKey: key, company: { name: "Odd" } };
      const answer = await server.graphql(createCompany, { input });
      expect(answer.errors?.[0]?.extensions).toMatchObject({
        code: "VALIDATION_ERROR",
        fields: { idempotencyKey: [expect.any(String)] },
      });
    }
    expect(await companies("Odd")).toEqual([]);
  });

  test("where an operation has several mutations, however they are put together", async () => {
    const several = refusal("is only allowed in an operation with one mutation");
    const one = `createCompany(input: { company: { name: "Several" } }) { clientMutationId }`;
    const keyed = one.replace("company:", `idempotencyKey: "k", company:`);
    for (const document of [
      `mutation { ${one} other: ${keyed} }`,
      `mutation { ${keyed} ... { ...rest } } fragment rest on Mutation { other: ${one} }`,
    ]) {
      expect(await server.graphql(document)).toMatchObject(several);
    }
    expect(await companies("Several")).toEqual([]);
    const twice = await server.graphql(`mutation { ${keyed} ${keyed} }`);
    expect(twice).not.toHaveProperty("errors");
    expect(await companies("Several")).toHaveLength(1);
  });

  test("as null is none: what is sent twice is done twice", async () => {
    const name = randomUUID();
    const input = { idempotencyKey: null, company: { name } };
    await server.graphql(createCompany, { input });
    await server.graphql(createCompany, { input });
    expect(await companies(name)).toHaveLength(2);
  });
});

test("a key is its user's: another one's is another key", async () => {
  const name = randomUUID();
  const ann = await create(name, { caller: { user: "ann" } });
  const ben = await create(name, { caller: { user: "ben" } });
  expect(await entries(name)).toEqual(["create", "create"]);
  expect(ben).not.toEqual(ann);
  expect(await create(name, { caller: { user: "ann" } })).toEqual(ann);
  expect(await entries(name)).toEqual(["create", "create"]);
});

test("a mutation costs one trip to the database without a key, five with one", async () => {
  const wire = await tapWire(database.serverUrl);
  await withServer(
    { url: wire.url, poolSize: 1, customFieldsInterval: undefined },
    async (other) => {
      const trips = async (key: string | null) => {
        const input = { idempotencyKey: key, company: { name: "Trips" } };
        wire.messages.length = 0;
        await other.graphql(createCompany, { input });
        return wire.messages.join("");
      };
      await trips(null);
      expect(await trips(null)).toBe("BEBDES");
      await trips(randomUUID());
      expect(await trips(randomUUID())).toBe("QBEBDESBEBDESBEBDESQ");
    },
  );
  wire.close();
});

test("every mutation takes a key", async () => {
  const { data } = await server.graphql<{
    __type: {
      fields: {
        args: { type: { ofType: { inputFields: { name: string; description: string }[] } } }[];
      }[];
    };
  }>(
    `{ __type(name: "Mutation") { fields { args { type { ofType { inputFields { name description } } } } } } }`,
  );
  const fields = data?.__type.fields ?? [];
  expect(fields.length).toBeGreaterThan(30);
  for (const { args } of fields) {
    const inputs = args.flatMap(({ type }) => type.ofType.inputFields);
    expect(inputs.find(({ name }) => name === "idempotencyKey")?.description).toMatch(/24 hours/);
  }
});

describe("while the first one still runs, a repeat", () => {
  const whileLocked = (work: (client: pg.Client) => Promise<void>) =>
    asOwner(async (client) => {
      await client.query("begin; lock table crm.companies in access exclusive mode");
      await work(client);
    });

  test("waits, and is answered what that is answered", async () => {
    const name = randomUUID();
    await whileLocked(async (client) => {
      const first = create(name);
      await untilWaiting(client);
      const second = create(name);
      await untilWaiting(client, 2);
      await client.query("commit");
      expect(await second).toEqual(await first);
    });
    expect(await entries(name)).toEqual(["create"]);
  });

  test("does it, where the first one fails", async () => {
    const name = randomUUID();
    await whileLocked(async (client) => {
      const first = create(name);
      await untilWaiting(client);
      const second = create(name);
      await untilWaiting(client, 2);
      await client.query(
        `select pg_cancel_backend(pid) from pg_stat_activity
         where datname = current_database() and wait_event = 'relation'`,
      );
      await untilWaiting(client);
      await client.query("commit");
      expect(await first).toMatchObject({ errors: [{ extensions: { code: "TIMEOUT" } }] });
      expect(await second).toMatchObject({ data: { createCompany: { company: { name } } } });
    });
    expect(await entries(name)).toEqual(["create"]);
  });

  test("is told so, where that takes longer than LOCK_TIMEOUT", async () => {
    const name = randomUUID();
    await withServer({ timeouts: { lock: 100 } }, (impatient) =>
      whileLocked(async (client) => {
        const first = create(name);
        await untilWaiting(client);
        expect(await create(name, { to: impatient })).toMatchObject({
          errors: [
            {
              message: "A request with this idempotencyKey is still running; please try again",
              extensions: { code: "CONFLICT" },
            },
          ],
        });
        await client.query("commit");
        await first;
      }),
    );
    expect(await entries(name)).toEqual(["create"]);
  });
});

describe("whatever breaks, a repeat finds out", () => {
  test("when the first one's client left: nothing was done", async () => {
    const name = randomUUID();
    const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
    await asOwner(async (client) => {
      await client.query("begin; lock table crm.companies in access exclusive mode");
      const departure = new AbortController();
      const variables = { input: { idempotencyKey: name, company: { name } } };
      const first = fetch(`${server.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: createCompany, variables }),
        signal: departure.signal,
      });
      await untilWaiting(client);
      departure.abort();
      await expect(first).rejects.toThrow();
      await untilWaiting(client, 0);
      await client.query("commit");
    });
    expect(await companies(name)).toEqual([]);
    expect(await create(name)).toMatchObject({ data: { createCompany: { company: { name } } } });
    expect(await entries(name)).toEqual(["create"]);
  });

  test("before the answer is kept: nothing was done", async () => {
    const name = randomUUID();
    const document = `mutation ($input: CreateCompanyInput!) {
      createCompany(input: $input) { company { id contacts { nodes { id } } } }
    }`;
    const variables = { input: { idempotencyKey: name, company: { name } } };
    await asOwner(async (client) => {
      await client.query("begin; lock table crm.contacts in access exclusive mode");
      const first = server.graphql(document, variables);
      await untilWaiting(client); // the company has been inserted
      await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and wait_event = 'relation'`,
      );
      expect((await first).errors?.map(({ extensions }) => extensions.code)).toEqual([
        "UNAVAILABLE",
      ]);
      await client.query("commit");
    });
    expect(await companies(name)).toEqual([]);
    expect(await server.graphql(document, variables)).not.toHaveProperty("errors");
    expect(await entries(name)).toEqual(["create"]);
  });

  test("when it was committed, and nobody was told: it was done, and this is the answer", async () => {
    const name = randomUUID();
    const deaf = await openDeafWire(database.serverUrl);
    await withServer({ url: deaf.url }, async (other) => {
      expect((await create(name, { to: other })).errors).toMatchObject([
        { extensions: { code: "UNAVAILABLE" } },
      ]);
    });
    deaf.close();
    const [id] = await companies(name);
    expect(await create(name)).toMatchObject({
      data: { createCompany: { company: { id, name, version: 1 } } },
    });
    expect(await entries(name)).toEqual(["create"]);
  });
});

/** A way to a database that breaks after the first commit: what is answered to it never arrives. */
async function openDeafWire(databaseUrl: string) {
  const { hostname, port } = new URL(databaseUrl);
  const listener = createServer((client) => {
    const backend = connect(Number(port), hostname);
    let isDeaf = false;
    client.on("error", () => backend.destroy());
    backend.on("error", () => client.destroy());
    client.on("data", (sent) => {
      isDeaf ||= sent.includes("commit\0");
      backend.write(sent);
    });
    client.on("close", () => backend.destroy());
    backend.on("data", (answer) => {
      if (isDeaf) client.destroy();
      else client.write(answer);
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const url = new URL(databaseUrl);
  url.port = String((listener.address() as AddressInfo).port);
  return { url: url.href, close: () => listener.close() };
}

describe("what is kept", () => {
  /** All of it, byte for byte. */
  const kept = async () => {
    const rows = await find<Buffer>(
      "select key_hash || request_hash || coalesce(answer, '') from crm_private.idempotency_keys",
    );
    return Buffer.concat(rows).toString("latin1");
  };

  test("has neither the key, nor the user, nor a person's name, nor the secret of an API key", async () => {
    const [key, user] = [randomUUID(), randomUUID()];
    const named = await server.graphql<{ createContact: { contact: { id: string } } }>(
      `mutation ($input: CreateContactInput!) { createContact(input: $input) { contact { id firstName lastName } } }`,
      { input: { idempotencyKey: key, contact: { firstName: "Ada", lastName: "Lovelace" } } },
      { user },
    );
    const createKey = `mutation ($input: CreateApiKeyInput!) {
      createApiKey(input: $input) { issuedApiKey { key } }
    }`;
    const input = { idempotencyKey: key, name: "zapier", role: "member" };
    const issued = await server.graphql<{ createApiKey: { issuedApiKey: { key: string } } }>(
      createKey,
      {
        input,
      },
    );
    expect(await server.graphql(createKey, { input })).toEqual(issued);
    const secret = issued.data?.createApiKey.issuedApiKey.key ?? "";
    expect(secret).toMatch(/^pgcrm_/);

    const text = await kept();
    expect(text.length).toBeGreaterThan(500);
    for (const word of [key, user, "Lovelace", "createContact", secret, "zapier"]) {
      expect(text).not.toContain(word);
    }
    await server.graphql(
      `mutation ($id: ID!) { eraseContact(input: { id: $id }) { clientMutationId } }`,
      {
        id: named.data?.createContact.contact.id,
      },
    );
    expect(await kept()).not.toContain("Lovelace");
  });

  test("is gone where it may tell of a person who was erased, and is not done again", async () => {
    const erase = (id: string | undefined) =>
      server.graphql(
        `mutation ($id: ID!) { eraseContact(input: { id: $id }) { clientMutationId } }`,
        { id },
      );
    const createContact = (key: string, firstName: string) =>
      server.graphql<{ createContact: { contact: { id: string } } }>(
        `mutation ($input: CreateContactInput!) {
           createContact(input: $input) { contact { id firstName emails } }
         }`,
        { input: { idempotencyKey: key, contact: { firstName, lastName: "L" } } },
      );
    const [one, other, merged, named] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    const first = await createContact(one, "Erased");
    const kept = await createContact(other, "Kept");
    const loser = await createContact(merged, "Merged");
    const ids = [first, kept, loser].map((answer) => answer.data?.createContact.contact.id);
    await asOwner((client) =>
      client.query("select crm.merge_contacts($1, array[$2::uuid])", [ids[0], ids[2]]),
    );
    const update = () =>
      server.graphql(
        `mutation ($input: UpdateContactInput!) {
           updateContact(input: $input) { query { contacts { nodes { firstName } } } }
         }`,
        { input: { id: ids[1], idempotencyKey: named, patch: { lastName: "M" } } },
      );
    expect(await update()).not.toHaveProperty("errors");
    expect(await erase(ids[0])).not.toHaveProperty("errors");

    const gone = [
      await createContact(one, "Erased"),
      await createContact(merged, "Merged"),
      await update(),
    ];
    for (const answer of gone) {
      expect(answer).toMatchObject({
        errors: [
          {
            extensions: {
              code: "VALIDATION_ERROR",
              fields: { idempotencyKey: [expect.any(String)] },
            },
          },
        ],
      });
      expect(JSON.stringify(answer)).not.toContain("Merged");
    }
    expect(JSON.stringify(await createContact(other, "Kept"))).toBe(JSON.stringify(kept));
    expect(await find("select first_name from crm.contacts where id = any ($1)", ids)).toEqual([
      "Kept",
    ]);
  });

  test("is not kept where a person is erased while the mutation runs", async () => {
    const id = await server.create("contact", { firstName: "Ada", lastName: "L" });
    const companyId = await server.create("company", { name: "Acme" });
    const key = randomUUID();
    const mutation = `mutation ($input: UpdateCompanyInput!) {
      updateCompany(input: $input) { company { name contacts { nodes { firstName } } } }
    }`;
    const input = { id: companyId, idempotencyKey: key, patch: { name: "Bolt" } };
    await asOwner(async (client) => {
      // The mutation has begun, and waits; meanwhile the person is erased.
      await client.query("begin");
      await client.query("select from crm.companies where id = $1 for update", [companyId]);
      const asked = server.graphql(mutation, { input });
      await untilWaiting(client);
      await asOwner((other) => other.query("select crm.erase_contact($1)", [id]));
      await client.query("commit");
      expect(await asked).not.toHaveProperty("errors");
    });
    expect(await server.graphql(mutation, { input })).toMatchObject({
      errors: [{ extensions: { code: "VALIDATION_ERROR" } }],
    });
  });

  test("cannot be read with another key, nor moved under one", async () => {
    const [one, other] = [randomUUID(), randomUUID()];
    await create(one);
    await create(other);
    await asOwner((client) =>
      client.query(
        `update crm_private.idempotency_keys set answer = (
           select answer from crm_private.idempotency_keys order by expires_at desc limit 1
         )`,
      ),
    );
    expect(await create(one)).toMatchObject({ errors: [{ extensions: { code: "INTERNAL" } }] });
    expect(await create(other)).toMatchObject({
      data: { createCompany: { company: { name: other } } },
    });
    await asOwner((client) => client.query("truncate crm_private.idempotency_keys"));
  });

  test("may be as large as some megabytes; what is larger is refused, and not done", async () => {
    const id = await server.create("company", { name: "Large" });
    await asOwner((client) =>
      client.query(
        `insert into crm.notes (content, entity_type, entity_id)
         select repeat('x', 9000), 'company', $1 from generate_series(1, 1000)`,
        [id],
      ),
    );
    const rename = (fields: string) => `mutation ($input: UpdateCompanyInput!) {
      updateCompany(input: $input) { company { version notes(first: 1000) { nodes { ${fields} } } } }
    }`;
    const input = (name: string) => ({
      input: { id, idempotencyKey: name, patch: { name } },
    });
    const first = await server.graphql(rename("content"), input("Larger"));
    expect(JSON.stringify(first).length).toBeGreaterThan(9_000_000);
    const repeated = await server.graphql(rename("content"), input("Larger"));
    expect(JSON.stringify(repeated) === JSON.stringify(first)).toBe(true);
    const tooLarge = await server.graphql(
      rename("content again: content once: content"),
      input("Largest"),
    );
    expect(tooLarge.data).toBeUndefined();
    expect(tooLarge.errors?.[0]?.extensions).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
      limit: "keptAnswerBytes",
      maximum: 20_000_000,
    });
    expect(await find("select name || version from crm.companies where id = $1", id)).toEqual([
      "Larger2",
    ]);
  });

  test("is forgotten when it has expired, by several at once, a part at a time", async () => {
    const name = randomUUID();
    await asOwner(async (client) => {
      await client.query("truncate crm_private.idempotency_keys");
      await client.query(
        `insert into crm_private.idempotency_keys (key_hash, request_hash, answer, expires_at)
         select sha256(i::text::bytea), sha256(''), '', now() - interval '1 second'
         from generate_series(1, 25) as i`,
      );
      const expire = "select crm_private.expire_idempotency_keys(10) as count";
      expect((await client.query(expire)).rows).toEqual([{ count: 10 }]);
    });
    await create(name);
    await withServer({ maintenance: { seal: 50, maintain: 50 } }, async () => {
      const left = () => find<string>("select count(*) from crm_private.idempotency_keys");
      while ((await left())[0] !== "1");
    });
    expect(await create(name)).not.toHaveProperty("errors");
    expect(await entries(name)).toEqual(["create"]);
  });

  test("is beyond the reach of every role", async () => {
    for (const role of ["crm_server", "crm_reader", "crm_member", "crm_admin", "crm_reporter"]) {
      for (const text of [
        "select from crm_private.idempotency_keys",
        "delete from crm_private.idempotency_keys",
        "insert into crm_private.idempotency_keys (answer) values ('')",
      ]) {
        const attempt = asOwner(async (client) => {
          await client.query(`set role ${role}`);
          await client.query(text);
        });
        await expect(attempt).rejects.toMatchObject({ code: "42501" });
      }
    }
    for (const role of ["crm_reader", "crm_member", "crm_admin", "crm_reporter"]) {
      for (const call of [
        "claim_idempotency_key(sha256(''))",
        "save_response(sha256(''), sha256(''), '', true)",
        "expire_idempotency_keys()",
      ]) {
        const attempt = asOwner(async (client) => {
          await client.query(`set role ${role}`);
          await client.query(`select crm_private.${call}`);
        });
        await expect(attempt).rejects.toMatchObject({ code: "42501" });
      }
    }
  });
});
