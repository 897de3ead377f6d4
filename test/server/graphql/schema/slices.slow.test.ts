import { Agent, request } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from "graphql";
import { Pool } from "pg";
import { pino } from "pino";

import { readConfig } from "../../../../server/settings.ts";
import { withConnection } from "../../../../server/postgres/connect.ts";
import { OverloadedError } from "../../../../server/errors/classes.ts";
import { createPgService } from "../../../../server/postgres/adaptor.ts";
import { createPreset } from "../../../../server/graphql/preset.ts";
import { followCustomFields, readSchema } from "../../../../server/graphql/schema/read.ts";
import { createMakeSchema } from "../../../../server/graphql/schema/slices.ts";
import { signToken } from "../../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../../helpers/database.ts";
import { jwtSecret, startTestServer } from "../../../helpers/server.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool({ connectionString: database.serverUrl, max: 3 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const logger = pino({ level: "silent" });

function preset(schemas = ["crm", "crm_custom"]): GraphileConfig.Preset {
  const { limits, heavy, timeouts } = readConfig({});
  return createPreset({
    pgService: createPgService({ pool, schemas }),
    ...{ constraints: {}, logger, limits, heavy, timeouts },
    ...{ graphiql: false, introspection: true, queriesByGet: false },
    persisted: { operations: undefined, only: false },
  });
}

const sql = (text: string) => withConnection(database.ownerUrl, (client) => client.query(text));

const define = (name: string, type = "text", entity = "deal") =>
  sql(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
     values ('${name}', '${name}', '${entity}', '${type}', ${type === "enum" ? "'{a,b}'" : "null"})`,
  );

/** Waits until something is so. */
async function until(isSo: () => boolean | Promise<boolean>, patience = 200_000): Promise<void> {
  for (const end = Date.now() + patience; !(await isSo());) {
    if (Date.now() > end) throw new Error("It does not come about.");
    await sleep(20);
  }
}

const print = (schema: GraphQLSchema) => printSchema(lexicographicSortSchema(schema));

describe("a schema that is made in slices", () => {
  test("is the one that would be made at once, whatever is defined or deleted", async () => {
    const make = createMakeSchema();
    await make(preset());
    // With the first number an entity type has sums, which is a type that there was not before.
    for (const change of [
      async () => {
        await define("colour");
        await define("since", "date", "company");
        await define("kind", "enum", "company");
      },
      () => define("size", "number", "contact"),
      () => sql("delete from crm.custom_field_definitions"),
    ]) {
      await change();
      const atOnce = await createMakeSchema()(preset());
      expect(print(await make(preset()))).toBe(print(atOnce));
    }
  }, 120_000);

  test("refuses what is not valid, and goes on after it", async () => {
    const make = createMakeSchema();
    const before = print(await make(preset()));
    await sql(`create function crm_custom.deals_broken(deal crm.deals) returns text
               language sql immutable as $$ select 'x' $$`);
    await sql(`comment on function crm_custom.deals_broken is E'@fieldName title\\nBroken.'`);
    await expect(make(preset())).rejects.toThrow();
    await sql("drop function crm_custom.deals_broken");
    expect(print(await make(preset()))).toBe(before);
  }, 120_000);

  test("does not hold the event loop", async () => {
    const make = createMakeSchema();
    const longest = async () => {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      await sleep(20);
      delay.enable();
      await make(preset());
      await sleep(20);
      delay.disable();
      return delay.max / 1e6;
    };
    const atOnce = await longest();
    const slices = [await longest(), await longest(), await longest(), await longest()];
    // What else the machine does meanwhile counts for both.
    expect(Math.min(...slices)).toBeLessThan(Math.max(50, atOnce / 5));
  }, 120_000);
});

describe("custom fields", () => {
  test("are tried again until they are served, and a lag is told meanwhile", async () => {
    const usual = createMakeSchema();
    let failures: Error[] = [];
    const makeSchema = async (given: GraphileConfig.Preset) => {
      const failure = failures.shift();
      if (failure) throw failure;
      return usual(given);
    };
    const deps = { pool, preset, makeSchema, logger };
    const served: GraphQLSchema[] = [];
    const stopping = new AbortController();
    const lag = followCustomFields({
      ...deps,
      ...{ interval: 50, signal: stopping.signal, served: await readSchema(deps) },
      serve: (schema) => void served.push(schema),
    });
    try {
      expect(lag.since).toBeUndefined();
      failures = [
        new OverloadedError("The server is busy"),
        new Error("timeout exceeded when trying to connect"),
        new Error("anything else"),
        new Error("anything else"),
      ];
      await define("persistent");
      await until(() => failures.length <= 1);
      expect(lag.since).toBeLessThanOrEqual(Date.now());
      await until(() => served.length > 0);
      expect(served.map(print).at(0)).toContain("persistent");
      await until(() => lag.since === undefined);
    } finally {
      stopping.abort();
      await sql("delete from crm.custom_field_definitions");
    }
  }, 120_000);

  test("are served after a start that could not serve them", async () => {
    const usual = createMakeSchema();
    let calls = 0;
    const makeSchema = async (given: GraphileConfig.Preset) => {
      calls += 1;
      if (calls === 1) throw new OverloadedError("The server is busy");
      return usual(given);
    };
    await define("early");
    const deps = { pool, preset, makeSchema, logger };
    const first = await readSchema(deps);
    expect(print(first.schema)).not.toContain("early");
    const stopping = new AbortController();
    const served: GraphQLSchema[] = [];
    const lag = followCustomFields({
      ...deps,
      ...{ interval: 50, signal: stopping.signal, served: first },
      serve: (schema) => void served.push(schema),
    });
    try {
      expect(lag.since).toBeDefined();
      await until(() => served.length > 0);
      expect(served.map(print).at(0)).toContain("early");
    } finally {
      stopping.abort();
      await sql("delete from crm.custom_field_definitions");
    }
  }, 120_000);
});

test("/readyz says for how long custom fields have not been served", async () => {
  const server = await startTestServer(database.serverUrl, { customFieldsInterval: 100 });
  const ready = async () => (await fetch(`${server.url}/readyz`)).json();
  try {
    expect(await ready()).toEqual({ ready: true });
    await sql(`create function crm_custom.deals_broken(deal crm.deals) returns text
               language sql immutable as $$ select 'x' $$`);
    await sql(`comment on function crm_custom.deals_broken is E'@fieldName title\\nBroken.'`);
    await until(async () => "customFieldsBehindSeconds" in ((await ready()) as object));
    expect(await ready()).toEqual({ ready: true, customFieldsBehindSeconds: expect.any(Number) });
    await sql("drop function crm_custom.deals_broken");
    await until(async () => !("customFieldsBehindSeconds" in ((await ready()) as object)));
    expect(await ready()).toEqual({ ready: true });
  } finally {
    await server.close();
  }
}, 120_000);

test("200 connections that are kept, and idle, are there after 20 definitions", async () => {
  const server = await startTestServer(database.serverUrl, {
    ...{ customFieldsInterval: 100, timeouts: { keepAlive: 280_000 } },
  });
  const count = 200;
  const token = await signToken(jwtSecret, { role: "reader", user: "ann", expires: "5m" });
  const agents = Array.from({ length: count }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const ask = (agent: Agent, query = "{ currentUserId }") =>
    new Promise<{ status: number | undefined; isReused: boolean; kept: unknown; body: string }>(
      (resolve, reject) => {
        const asking = request(`${server.url}/graphql`, {
          ...{ agent, method: "POST" },
          headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        });
        asking.once("error", reject);
        asking.once("response", (response) => {
          let body = "";
          response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
          response.once("end", () => {
            const { statusCode: status, headers } = response;
            const kept = headers["keep-alive"];
            resolve({ status, isReused: asking.reusedSocket, kept, body });
          });
        });
        asking.end(JSON.stringify({ query }));
      },
    );
  try {
    const first = await Promise.all(agents.map((agent) => ask(agent)));
    // Node's own would be 5 seconds, after which an idle connection is closed.
    expect(new Set(first.map(({ kept }) => kept))).toEqual(new Set(["timeout=280"]));
    const probe = new Agent();
    for (let i = 0; i < 20; i += 1) {
      await define(`kept${i}`);
      const isServed = async () =>
        !(await ask(probe, `{ deals(first: 1) { nodes { kept${i} } } }`)).body.includes("errors");
      // Several definitions may be served at once.
      if (i % 5 === 4) await until(isServed);
      // Some are used meanwhile, all others are idle.
      const some = await Promise.all(agents.slice(i * 5, i * 5 + 5).map((agent) => ask(agent)));
      expect(some.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    }
    const answers = await Promise.all(agents.map((agent) => ask(agent)));
    expect(answers.filter(({ status, isReused }) => status !== 200 || !isReused)).toEqual([]);
  } finally {
    for (const agent of agents) agent.destroy();
    await server.close();
    await sql("delete from crm.custom_field_definitions");
  }
}, 600_000);
