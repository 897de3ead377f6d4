import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Client } from "pg";

import { connect } from "../../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase, untilWaiting } from "../../../helpers/database.ts";
import { startTestServer, type TestServer } from "../../../helpers/server.ts";

let database: TestDatabase;
let owner: Client;
let server: TestServer;
let servers: TestServer[];

beforeEach(async () => {
  database = await createTestDatabase();
  owner = await connect(database.ownerUrl);
  const patient = { lock: 100_000, statement: 100_000, execution: 100_000, pool: 100_000 };
  server = await startTestServer(database.serverUrl, { timeouts: patient });
  servers = [server, await startTestServer(database.serverUrl, { timeouts: patient })];
});
afterEach(async () => {
  await Promise.all(servers.map((each) => each.close()));
  await owner.end();
  await database.drop();
});

async function define(name: string, type = "text"): Promise<void> {
  await owner.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     values ($1, $1, 'deal', $2)`,
    [name, type],
  );
}

/** The errors of a query in the servers' answers. */
async function errors(query: string): Promise<unknown[]> {
  const answers = await Promise.all(servers.map((each) => each.graphql(query)));
  return answers.flatMap((answer) => answer.errors ?? []);
}

/** Waits until every server accepts a query, or refuses it. */
async function untilServed(query: string, accepts = true): Promise<void> {
  const end = Date.now() + 180_000;
  for (;;) {
    const count = (await errors(query)).length;
    if (count === (accepts ? 0 : servers.length)) return;
    if (Date.now() > end)
      throw new Error(`${query} is ${accepts ? "" : "not "}refused after three minutes`);
    await sleep(200);
  }
}

describe("a running server", () => {
  test("serves what is defined, changed and deleted, and no request by an old name fails", async () => {
    for (const [name, type] of [["product"], ["colour"], ["size", "number"]] as const) {
      await define(name, type);
    }
    const all = "{ deals { nodes { product colour size } } }";
    await untilServed(all);
    const companyId = await server.create("company", { name: "Acme" });
    const id = await server.create("deal", {
      ...{ title: "a", companyId, value: "1", stage: "Won" },
      ...{ product: "x", colour: "red", size: 3 },
    });

    let stopped = false;
    const faults: unknown[] = [];
    let answered = 0;
    let repeated = 0;
    const requests = [
      `{ deals(filter: { product: { equalTo: "x" } }, orderBy: PRODUCT_DESC) { nodes { product colour } } }`,
      `{ deals(orderBy: COLOUR_ASC) { groupedAggregates(groupBy: COLOUR) { keys } nodes { size } } }`,
      `{ deals(filter: { size: { isNull: false } }, orderBy: SIZE_ASC) { nodes { size } } }`,
      `mutation { updateDeal(input: { id: "${id}", patch: { product: "x", colour: null } }) { deal { product } } }`,
    ];
    const load = servers.flatMap((each) =>
      requests.map(async (request) => {
        while (!stopped) {
          const answer = await each.graphql<object>(request);
          const code = answer.errors?.[0]?.extensions.code;
          if (code === "SCHEMA_CHANGED") {
            repeated += 1;
            continue;
          }
          if (answer.errors !== undefined || answer.status !== 200) faults.push(answer);
          answered += 1;
        }
      }),
    );

    try {
      await owner.query(
        "update crm.custom_field_definitions set name = 'item' where name = 'product'",
      );
      await untilServed("{ deals { nodes { item product } } }");
      await owner.query("delete from crm.custom_field_definitions where name = 'colour'");
      await define("shape");
      await untilServed("{ deals { nodes { shape colour } } }");
      await owner.query("update crm.deals set custom_fields = custom_fields - 'size'");
      await owner.query(
        "update crm.custom_field_definitions set field_type = 'text' where name = 'size'",
      );
      await untilServed(`{ deals(filter: { size: { startsWith: "x" } }) { nodes { size } } }`);
    } finally {
      stopped = true;
      await Promise.all(load);
    }

    expect(faults).toEqual([]);
    expect(answered).toBeGreaterThan(50);
    expect(repeated).toBeLessThan(answered);
    expect(
      await server.graphql(`{ deals { nodes { item product colour customFields } } }`),
    ).toEqual({
      status: 200,
      data: {
        deals: { nodes: [{ item: "x", product: "x", colour: null, customFields: { item: "x" } }] },
      },
    });
  }, 480_000);

  test("answers SCHEMA_CHANGED where a field has another type, until it has the new schema", async () => {
    await define("size");
    const query = `{ deals(filter: { size: { equalTo: "x" } }) { nodes { title } } }`;
    const late = await startTestServer(database.serverUrl, { customFieldsInterval: undefined });
    servers.push(late);
    expect(await late.graphql(query)).toEqual({ status: 200, data: { deals: { nodes: [] } } });
    await owner.query("update crm.custom_field_definitions set field_type = 'number'");
    expect(await late.graphql(query)).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: "SCHEMA_CHANGED" } }],
    });
  }, 480_000);

  test("removes a former name when it expires", async () => {
    await owner.query("select crm.set_former_field_retention(1)");
    await define("product");
    await owner.query("update crm.custom_field_definitions set name = 'item'");
    await untilServed("{ deals { nodes { item product } } }");
    await owner.query(
      "update crm_private.former_custom_fields set ended_at = ended_at - interval '1 day'",
    );
    await untilServed("{ deals { nodes { item } } }");
    await untilServed("{ deals { nodes { product } } }", false);
  }, 480_000);

  test("finishes a request by the schema that it began with", async () => {
    await define("product");
    await untilServed("{ deals { nodes { product } } }");
    const id = await server.create("company", { name: "Acme" });
    await server.create("deal", {
      title: "a",
      companyId: id,
      value: "1",
      stage: "Won",
      product: "x",
    });

    await owner.query("begin");
    await owner.query("select from crm.companies where id = $1 for update", [id]);
    const waiting = server.graphql(
      `mutation ($id: ID!) {
        updateCompany(input: { id: $id, patch: { name: "Bolt" } }) {
          company { name deals { nodes { title product } } }
        }
      }`,
      { id },
    );
    const other = await connect(database.ownerUrl);
    await untilWaiting(other);
    await other.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('colour', 'Colour', 'deal', 'text')`,
    );
    await other.end();
    await untilServed("{ deals { nodes { colour } } }");
    await owner.query("commit");

    expect(await waiting).toMatchObject({
      data: {
        updateCompany: {
          company: { name: "Bolt", deals: { nodes: [{ title: "a", product: "x" }] } },
        },
      },
    });
  }, 480_000);

  test("goes on with what it served, and starts, where fields cannot be served", async () => {
    await define("product");
    await untilServed("{ deals { nodes { product } } }");
    await owner.query(
      `create function crm_custom.deals_broken(deal crm.deals) returns text
       language sql immutable return 'x'`,
    );
    await owner.query(
      `comment on function crm_custom.deals_broken is E'@fieldName title\\nBroken.'`,
    );
    const refusal = "custom fields have changed and cannot be served";
    while (!servers.every(({ log }) => log.some(({ msg }) => msg === refusal))) await sleep(50);
    expect(await errors("{ deals { nodes { title product } } }")).toEqual([]);

    const started = await startTestServer(database.serverUrl);
    servers.push(started);
    expect(started.log.map(({ msg }) => msg)).toContain(
      "custom fields cannot be served as fields of their own",
    );
    expect(await started.graphql("{ deals { nodes { title customFields } } }")).toEqual({
      status: 200,
      data: { deals: { nodes: [] } },
    });

    await owner.query("drop function crm_custom.deals_broken");
    await untilServed("{ deals { nodes { title product } } }");
  }, 480_000);
});
