import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase, untilBlocked } from "../../helpers/database.ts";
import { outcome, type Refusal } from "../../helpers/refusal.ts";

let database: TestDatabase;
let first: pg.Client;
let second: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  first = await connect(database.ownerUrl);
  second = await connect(database.ownerUrl);
});
afterAll(async () => {
  await Promise.all([first.end(), second.end()]);
  await database.drop();
});

const companyId = "00000000-0000-4000-8000-00000000000c";
const contactId = "00000000-0000-4000-8000-00000000000a";

beforeEach(async () => {
  await first.query("delete from crm.custom_field_definitions");
  await first.query("delete from crm.companies");
  await first.query("delete from crm.contacts");
  await first.query("insert into crm.companies (id, name) values ($1, 'Acme')", [companyId]);
  await first.query(
    "insert into crm.contacts (id, first_name, last_name) values ($1, 'Ada', 'Lovelace')",
    [contactId],
  );
});

/**
 * Runs one statement in a transaction that is still open when another session sends the second,
 * which has to wait; then the first commits.
 */
async function race(
  [open, openValues]: [string, unknown[]],
  [waiting, waitingValues]: [string, unknown[]],
  isolation = "read committed",
): Promise<"done" | Refusal> {
  await first.query("begin");
  await first.query(open, openValues);
  await second.query(`begin isolation level ${isolation}`);
  await second.query("select 1 from crm.contacts"); // takes the snapshot
  const waiter = outcome(second.query(waiting, waitingValues));
  await untilBlocked(database.ownerUrl, second);
  await first.query("commit");
  const result = await waiter;
  await second.query(result === "done" ? "commit" : "rollback");
  return result;
}

async function count(from: string): Promise<number> {
  const { rows } = await first.query<{ count: number }>(`select count(*)::int from ${from}`);
  return rows[0]?.count ?? NaN;
}

const attachNote: [string, unknown[]] = [
  "insert into crm.notes (content, entity_type, entity_id) values ('Hm', 'contact', $1)",
  [contactId],
];
const deleteContact: [string, unknown[]] = ["delete from crm.contacts where id = $1", [contactId]];
const addDeal: [string, unknown[]] = [
  "insert into crm.deals (title, company_id, value, stage) values ('Engine', $1, 1, 'Won')",
  [companyId],
];
const deleteCompany: [string, unknown[]] = ["delete from crm.companies where id = $1", [companyId]];

describe("a note attached while its contact is deleted", () => {
  test("is refused when the delete was first", async () => {
    expect(await race(deleteContact, attachNote)).toMatchObject({
      code: "23503",
      constraint: "notes_contact_id_exists",
    });
    expect(await count("crm.notes")).toBe(0);
  });

  test("goes with the contact when the note was first", async () => {
    expect(await race(attachNote, deleteContact)).toBe("done");
    expect(await count("crm.notes")).toBe(0);
    expect(await count("crm.audit_logs where entity_type = 'note' and action = 'delete'")).toBe(1);
  });
});

describe("a company deleted while a deal is added to it", () => {
  test("refuses the deal when the delete was first", async () => {
    expect(await race(deleteCompany, addDeal)).toMatchObject({
      code: "23503",
      constraint: "deals_company_id_exists",
    });
    expect(await count("crm.deals")).toBe(0);
  });

  test("takes the deal with it when the deal was first", async () => {
    expect(await race(addDeal, deleteCompany)).toBe("done");
    expect(await count("crm.deals")).toBe(0);
  });
});

describe("two updates with the same version", () => {
  const rename = (name: string): [string, unknown[]] => [
    "update crm.contacts set last_name = $1, version = 1 where id = $2",
    [name, contactId],
  ];

  test("one is done, the other is refused and told what is current", async () => {
    const refused = await race(rename("King"), rename("Byron"));
    expect(refused).toMatchObject({ code: "CRM01" });
    expect(await count("crm.contacts where last_name = 'King' and version = 2")).toBe(1);
  });

  test("under repeatable read the other fails to serialize", async () => {
    expect(await race(rename("King"), rename("Byron"), "repeatable read")).toMatchObject({
      code: "40001",
    });
  });

  test("of twenty at once exactly one is done", async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(database.ownerUrl)));
    const outcomes = await Promise.all(
      clients.map((client, index) => outcome(client.query(...rename(`name ${index}`)))),
    );
    await Promise.all(clients.map((client) => client.end()));
    expect(outcomes.filter((result) => result === "done")).toHaveLength(1);
    expect(outcomes.filter((result) => result !== "done" && result.code === "CRM01")).toHaveLength(
      19,
    );
  });
});

test("updates without a version at once lose none of their columns", async () => {
  expect(
    await race(
      ["update crm.contacts set first_name = 'Augusta' where id = $1", [contactId]],
      ["update crm.contacts set last_name = 'King' where id = $1", [contactId]],
    ),
  ).toBe("done");
  expect(
    await count("crm.contacts where first_name = 'Augusta' and last_name = 'King' and version = 3"),
  ).toBe(1);
});

describe("a definition deleted while a value of it is written", () => {
  const write: [string, unknown[]] = [
    "update crm.contacts set custom_fields = '{\"size\": 1}' where id = $1",
    [contactId],
  ];
  const insert: [string, unknown[]] = [
    `insert into crm.contacts (first_name, last_name, custom_fields)
     values ('Charles', 'Babbage', '{"size": 1}')`,
    [],
  ];
  const remove: [string, unknown[]] = [
    "delete from crm.custom_field_definitions where name = 'size'",
    [],
  ];

  beforeEach(async () => {
    await first.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('size', 'Size', 'contact', 'number')`,
    );
  });

  test.each([
    [
      "read committed",
      {
        code: "23514",
        fields: { "customFields.size": [expect.stringMatching(/^was deleted on \d{4}-\d\d-\d\d$/)] },
      },
    ],
    ["repeatable read", { code: "40001" }],
  ])("refuses the value when the delete was first (%s)", async (isolation, refused) => {
    for (const statement of [write, insert]) {
      expect(await race(remove, statement, isolation)).toMatchObject(refused);
      expect(await count("crm.contacts where custom_fields <> '{}'")).toBe(0);
      await first.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('size', 'Size', 'contact', 'number')`,
      );
    }
  });

  test("removes the value when the value was first", async () => {
    for (const statement of [write, insert]) {
      expect(await race(statement, remove)).toBe("done");
      expect(await count("crm.contacts where custom_fields <> '{}'")).toBe(0);
      await first.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('size', 'Size', 'contact', 'number')`,
      );
    }
  });
});

test("two definitions at once are both compiled", async () => {
  const define = (name: string): [string, unknown[]] => [
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     values ($1, $1, 'contact', 'number')`,
    [name],
  ];
  expect(await race(define("width"), define("height"))).toBe("done");
  await first.query('update crm.contacts set custom_fields = \'{"width": 1, "height": 2}\'');
});

test.each(["repeatable read", "serializable"])(
  "a definition cannot be changed by a %s transaction, which sees too little",
  async (isolation) => {
    await first.query(`begin isolation level ${isolation}`);
    const refused = await outcome(
      first.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('size', 'Size', 'contact', 'number')`,
      ),
    );
    await first.query("rollback");
    expect(refused).toMatchObject({ code: "0A000" });
  },
);

test("two transactions that wait for each other end as one deadlock, and nothing is lost", async () => {
  await first.query("begin");
  await second.query("begin");
  await first.query("update crm.contacts set last_name = 'first'");
  await second.query("update crm.companies set name = 'second'");
  const results = await Promise.all([
    outcome(first.query("update crm.companies set name = 'first'")),
    outcome(second.query("update crm.contacts set last_name = 'second'")),
  ]);
  await first.query("commit");
  await second.query("commit");
  expect(results.filter((result) => result === "done")).toHaveLength(1);
  expect(results.filter((result) => result !== "done" && result.code === "40P01")).toHaveLength(1);
});
