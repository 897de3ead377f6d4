import { expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { untilWaiting } from "../../helpers/database.ts";
import { until } from "../../helpers/process.ts";
import { startTestServer, useTestServer } from "../../helpers/server.ts";

const crm = useTestServer();

interface Issued {
  createApiKey: {
    issuedApiKey: { key: string; apiKey: { id: string; lastUsedAt: string | null } };
  };
}

const createKey = `mutation ($name: String!, $role: Role!, $expiresAt: Datetime) {
  createApiKey(input: { name: $name, role: $role, expiresAt: $expiresAt }) {
    issuedApiKey { key apiKey { id name role prefix expiresAt lastUsedAt revokedAt } }
  }
}`;

async function create(name: string, role = "member"): Promise<{ key: string; id: string }> {
  const { data, errors } = await crm.graphql<Issued>(createKey, { name, role });
  if (!data) throw new Error(JSON.stringify(errors));
  const { key, apiKey } = data.createApiKey.issuedApiKey;
  return { key, id: apiKey.id };
}

async function ask(key: string, query = "{ currentUserId }", url = crm.url) {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query }),
  });
  const body: unknown = await response.json();
  return { status: response.status, body, headers: response.headers };
}

const revoke = (id: string) =>
  crm.graphql("mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { apiKey { revokedAt } } }", {
    id,
  });

const refused = {
  status: 401,
  body: {
    errors: [
      { message: "A valid bearer token is required", extensions: { code: "UNAUTHENTICATED" } },
    ],
  },
};

/** A key with another last character. */
function spoilt(key: string): string {
  return key.slice(0, -1) + (key.endsWith("A") ? "B" : "A");
}

test("a key asks with its role, and the audit log names it", async () => {
  const { key } = await create("zapier");
  expect(await ask(key)).toMatchObject({
    status: 200,
    body: { data: { currentUserId: "key:zapier" } },
  });
  expect(
    await ask(
      key,
      `mutation {
        createCompany(input: { company: { name: "Acme" } }) {
          company { createdBy history { nodes { userId source } } }
        }
      }`,
    ),
  ).toMatchObject({
    body: {
      data: {
        createCompany: {
          company: {
            createdBy: "key:zapier",
            history: { nodes: [{ userId: "key:zapier", source: "api" }] },
          },
        },
      },
    },
  });
  const reader = await create("only-reads", "reader");
  expect(
    await ask(
      reader.key,
      `mutation { createCompany(input: { company: { name: "A" } }) { clientMutationId } }`,
    ),
  ).toMatchObject({ body: { errors: [{ extensions: { code: "FORBIDDEN" } }] } });
});

test("a key is shown once, and its hash never", async () => {
  const { key } = await create("shown-once");
  const { data } = await crm.graphql(`{
    apiKeys {
      nodes {
        id name role prefix expiresAt lastUsedAt revokedAt version createdAt createdBy updatedAt updatedBy
        history { nodes { changes } }
      }
    }
    auditLogs { nodes { changes } }
  }`);
  const told = JSON.stringify(data);
  expect(told).toContain(key.slice(0, 12));
  expect(told).not.toContain(key.slice(12));
  const { data: schema } = await crm.graphql("{ __schema { types { name fields { name } } } }");
  expect(JSON.stringify(schema)).not.toMatch(/hash/i);
});

test("a revoked key is refused from the next request on, also when it is revoked twice", async () => {
  const { key, id } = await create("revoked");
  expect((await ask(key)).status).toBe(200);
  const first = await revoke(id);
  expect(await ask(key)).toMatchObject(refused);
  expect(await revoke(id)).toEqual(first);
  expect(await ask(key)).toMatchObject(refused);
  expect(crm.log).toContainEqual(expect.objectContaining({ reason: "key:revoked was revoked" }));
});

test("a request that waits while its key is revoked writes nothing", async () => {
  const { key, id } = await create("waiting");
  const write = `mutation { createCompany(input: { company: { name: "Late" } }) { clientMutationId } }`;
  await withConnection(crm.database.ownerUrl, async (client) => {
    await client.query("begin; lock table crm.companies in access exclusive mode");
    const answer = ask(key, write);
    await untilWaiting(client);
    expect((await revoke(id)).errors).toBeUndefined();
    await client.query("commit");
    expect(await answer).toMatchObject({
      body: {
        errors: [{ extensions: { code: "FORBIDDEN" } }],
      },
    });
  });
});

test("an expired key is refused", async () => {
  const { key } = await create("expired");
  await withConnection(crm.database.ownerUrl, (client) =>
    client.query(
      `update crm.api_keys set expires_at = clock_timestamp() + interval '10 milliseconds'
       where name = 'expired';
       select pg_sleep_until((select expires_at from crm.api_keys where name = 'expired'))`,
    ),
  );
  expect(await ask(key)).toMatchObject(refused);
  expect(crm.log).toContainEqual(expect.objectContaining({ reason: "key:expired has expired" }));
});

test("a guess is refused like everything else, whatever it looks like", async () => {
  const { key } = await create("guessed");
  const guesses = [
    key.slice(0, 12),
    key.slice(0, -1),
    `${key}A`,
    key.toLowerCase(),
    key.toUpperCase(),
    "pgcrm_",
    `pgcrm_${"%".repeat(43)}`,
    `pgcrm_${"_".repeat(43)}`,
    `pgcrm_${"A".repeat(43)}`,
    `pgcrm_${"A".repeat(10_000)}`,
    "pgcrm_'or'1'='1",
    `pgcrm_${encodeURIComponent("\0")}`,
  ];
  for (const guess of guesses) expect([guess, await ask(guess)]).toMatchObject([guess, refused]);
});

test("no key is in the log", async () => {
  const { key } = await create("logged");
  await ask(key);
  await ask(`${key}A`);
  await ask(spoilt(key));
  expect(JSON.stringify(crm.log)).not.toContain(key.slice(0, 20));
});

test("a key cannot create keys, whatever its role, and can revoke itself", async () => {
  const { key, id } = await create("boss", "admin");
  expect(
    await ask(
      key,
      `mutation { createApiKey(input: { name: "heir", role: admin }) { clientMutationId } }`,
    ),
  ).toMatchObject({ body: { errors: [{ extensions: { code: "FORBIDDEN" } }] } });
  const itself = `mutation { revokeApiKey(input: { id: "${id}" }) { apiKey { updatedBy } } }`;
  expect(await ask(key, itself)).toMatchObject({
    body: { data: { revokeApiKey: { apiKey: { updatedBy: "key:boss" } } } },
  });
  expect(await ask(key, itself)).toMatchObject(refused);
});

test.each(["reader", "member"] as const)(
  "a %s neither creates nor revokes nor sees keys",
  async (role) => {
    const { id } = await create(`of-${role}`);
    for (const query of [
      `mutation { createApiKey(input: { name: "mine", role: admin }) { clientMutationId } }`,
      `mutation { revokeApiKey(input: { id: "${id}" }) { clientMutationId } }`,
      "{ apiKeys { nodes { name } } }",
      `{ apiKey(id: "${id}") { prefix } }`,
    ]) {
      const { errors } = await crm.graphql(query, {}, { role });
      expect(errors?.map(({ extensions }) => extensions.code)).toEqual(["FORBIDDEN"]);
    }
  },
);

test("what is wrong with a new key is told by field, and an absent one is NOT_FOUND", async () => {
  const key = { name: "No Slug", expiresAt: "2020-01-01T00:00:00Z" };
  const unreadable = await crm.graphql(createKey, { ...key, role: "owner" });
  expect(unreadable.errors?.[0]?.extensions).toEqual({
    code: "VALIDATION_ERROR",
    fields: { role: ['"owner" is not one of reader, member, admin'] },
  });
  const faulty = await crm.graphql(createKey, { ...key, role: "reader" });
  expect(faulty.errors?.[0]?.extensions).toEqual({
    code: "VALIDATION_ERROR",
    constraint: "api_keys_name_format",
    fields: {
      name: [expect.stringMatching(/^must consist of lower case letters/)],
      expiresAt: ["must be in the future, at most 100 years from now"],
    },
  });
  await create("taken");
  const taken = await crm.graphql(createKey, { name: "taken", role: "reader" });
  expect(taken.errors?.[0]?.extensions).toMatchObject({
    code: "CONSTRAINT_VIOLATION",
    constraint: "api_keys_name_unique",
  });
  const id = "00000000-0000-0000-0000-000000000000";
  expect((await revoke(id)).errors?.[0]?.extensions).toEqual({
    code: "NOT_FOUND",
    entityType: "apiKey",
    id,
  });
});

test("a key has a limit of requests of its own, wherever it is used", async () => {
  const [one, other] = [await create("limited"), await create("free")];
  const server = await startTestServer(crm.database.serverUrl, {
    rateLimits: { user: 1, address: 0 },
  });
  expect((await ask(one.key, undefined, server.url)).status).toBe(200);
  expect((await ask(one.key, undefined, server.url)).status).toBe(429);
  expect((await ask(other.key, undefined, server.url)).status).toBe(200);
  await server.close();
});

test("without prepared statements a key is checked all the same", async () => {
  const { key } = await create("unprepared");
  const server = await startTestServer(crm.database.serverUrl, { preparedStatements: false });
  expect((await ask(key, undefined, server.url)).status).toBe(200);
  expect(await ask(spoilt(key), undefined, server.url)).toMatchObject(refused);
  await server.close();
});

test("while the database is away a key is answered UNAVAILABLE, not refused", async () => {
  const { key } = await create("patient");
  const away = { status: 503, body: { errors: [{ extensions: { code: "UNAVAILABLE" } }] } };

  const nowhere = await startTestServer("postgres://crm_server:x@127.0.0.1:1/crm", {
    waits: false,
  });
  const answer = await ask(key, undefined, nowhere.url);
  expect(answer).toMatchObject(away);
  expect(answer.headers.get("retry-after")).toBe("1");
  await nowhere.close();
});

test("a key that finds no free connection is answered OVERLOADED, not refused", async () => {
  const { key } = await create("crowded");
  const server = await startTestServer(crm.database.serverUrl, {
    poolSize: 1,
    timeouts: { pool: 2000, lock: 20_000 },
  });
  await withConnection(crm.database.ownerUrl, async (client) => {
    await client.query("begin; lock table crm.notes in access exclusive mode");
    const waiting = server.graphql("{ notes { totalCount } }");
    await until(async () => {
      const { rowCount } = await client.query("select from pg_locks where not granted");
      return rowCount !== 0;
    });
    expect(await ask(key, undefined, server.url)).toMatchObject({
      status: 503,
      body: { errors: [{ extensions: { code: "OVERLOADED" } }] },
    });
    await client.query("rollback");
    expect((await waiting).status).toBe(200);
  });
  await server.close();
});
