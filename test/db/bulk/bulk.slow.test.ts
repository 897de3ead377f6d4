import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  untilBlocked,
  withRollback,
} from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

interface Fault {
  index: number;
  code: string;
  fields: Record<string, string[]>;
}
interface Result {
  created: number;
  updated: number;
  deleted: number;
  unchanged: number;
  faults: Fault[];
  ids: (string | null)[];
}

const call =
  "select result.*, result.ids::text[] as ids from crm_private.write_rows($1, $2, $3, $4, $5) as result";

async function write(
  client: pg.ClientBase,
  entityType: string,
  operation: string,
  rows: unknown,
  mode = "VALID_ONLY",
  dryRun = false,
): Promise<Result> {
  const values = [entityType, operation, JSON.stringify(rows), mode, dryRun];
  const { rows: results } = await client.query<Result>(call, values);
  if (results[0] === undefined) throw new Error("no result");
  return results[0];
}

const nowhere = "5d3c3a3e-4f1c-4c7e-9a43-2f4a3d0c5f10";
const person = (more: object = {}) => ({ first_name: "Ada", last_name: "Lovelace", ...more });
const external = (id: string) => ({ source: "hub", id });

async function count(client: pg.ClientBase, from: string): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from ${from}`);
  return rows[0]?.n ?? NaN;
}

test("a row that would not change is not written", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_member", "ada");
    const row = person({ external_id: external("1"), emails: ["ada@example.com"] });
    await write(client, "contact", "upsert", [row]);
    const versions = async () =>
      (await client.query<{ at: string }>("select ctid::text as at from crm.contacts")).rows;
    const before = await versions();
    expect(await write(client, "contact", "upsert", [row])).toMatchObject({
      updated: 0,
      unchanged: 1,
      ids: [expect.any(String)],
    });
    expect(await versions()).toEqual(before);
    expect(
      await write(client, "contact", "upsert", [{ ...row, last_name: "King" }]),
    ).toMatchObject({ updated: 1, unchanged: 0 });
    expect(await versions()).not.toEqual(before);
  }));

test("every kind of fault is told of every row in one answer", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_member", "ada");
    const { created, faults, ids } = await write(client, "contact", "create", [
      person(),
      person({ first_name: " ", emails: ["a@b.de", "x"], company_id: nowhere }),
      person({ company_id: nowhere }),
      person({ nickname: "A", id: nowhere }),
      person({ company_id: "x" }),
      7,
      person({ external_ids: [external("1")] }),
      person({ first_name: "", external_ids: [external("1")] }),
      person({ custom_fields: { shoe: 1 } }),
      {},
    ]);
    expect(created).toBe(2);
    expect(ids.map((id) => id !== null)).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((index) => index === 0 || index === 6),
    );
    const company = `"${nowhere}" is not the id of a company`;
    expect(faults).toEqual([
      {
        index: 1,
        code: "VALIDATION_ERROR",
        fields: {
          firstName: ["must not be blank"],
          "emails.1": ['"x" is not an email address'],
          companyId: [company],
        },
      },
      { index: 2, code: "CONSTRAINT_VIOLATION", fields: { companyId: [company] } },
      {
        index: 3,
        code: "VALIDATION_ERROR",
        fields: {
          nickname: ["is not a field that can be given here"],
          id: ["is not a field that can be given here"],
        },
      },
      { index: 4, code: "VALIDATION_ERROR", fields: { companyId: ['"x" has the wrong form'] } },
      { index: 5, code: "VALIDATION_ERROR", fields: { row: ["must be an object"] } },
      {
        index: 7,
        code: "VALIDATION_ERROR",
        fields: {
          firstName: ["must not be blank"],
          "externalIds.0": ['{"id": "1", "source": "hub"} is given to row 6 too'],
        },
      },
      {
        index: 8,
        code: "VALIDATION_ERROR",
        fields: { "customFields.shoe": ["is not a custom field of this entity type"] },
      },
      {
        index: 9,
        code: "VALIDATION_ERROR",
        fields: { firstName: ["is required"], lastName: ["is required"] },
      },
    ]);
    await client.query("reset role");
    expect(await count(client, "crm_private.faulty_rows")).toBe(0);
    expect(await count(client, "crm.audit_logs where user_id = 'ada'")).toBe(2);
  }));

describe("a list with a faulty row is refused as a whole", () => {
  test.each([
    ["23514", [{ first_name: "" }, { id: nowhere }], "create"],
    ["23000", [person({ company_id: nowhere })], "create"],
    ["P0002", [{ id: nowhere, last_name: "x" }], "update"],
    ["P0002", [{ id: nowhere }], "delete"],
  ])("with SQLSTATE %s of %j", (code, rows, operation) =>
    withRollback(async (client) => {
      const values = ["contact", operation, JSON.stringify(rows), "ALL_OR_NOTHING", false];
      const refused = await refusal(client, call, values);
      expect(refused).toMatchObject({ code });
      expect((refused.fields as unknown as { faults: Fault[] }).faults).toHaveLength(rows.length);
    }),
  );

  test("and nothing of it is written", () =>
    withRollback(async (client) => {
      const values = ["contact", "create", JSON.stringify([person(), {}]), "ALL_OR_NOTHING", false];
      await refusal(client, call, values);
      expect(await count(client, "crm.contacts")).toBe(0);
      expect(await count(client, "crm_private.faulty_rows")).toBe(0);
    }));
});

test("custom fields are merged where it is asked for, and those that are null are removed", () =>
  withRollback(async (client) => {
    await client.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       values ('size', 'Size', 'contact', 'number'), ('city', 'City', 'contact', 'text')`,
    );
    const made = await write(client, "contact", "create", [
      person({ custom_fields: { size: 1, city: "Rome" } }),
      person({ custom_fields: { $merge: { city: "Oslo", size: null } } }),
      person({ custom_fields: { $merge: { size: "x" } } }),
      person({ custom_fields: { $merge: 1 } }),
      person({ custom_fields: { $merge: {}, size: 1 } }),
    ]);
    expect(made.faults.map(({ fields }) => Object.keys(fields))).toEqual([
      ["customFields.size"],
      ["customFields.$merge"],
      ["customFields.$merge"],
    ]);
    const [a, b] = made.ids;
    await write(client, "contact", "update", [
      { id: a, custom_fields: { $merge: { city: null, size: 2 } } },
      { id: b, custom_fields: { $merge: { size: 3 } } },
    ]);
    const { rows } = await client.query<{ custom_fields: object }>(
      "select custom_fields from crm.contacts order by custom_fields ->> 'size'",
    );
    expect(rows.map(({ custom_fields }) => custom_fields)).toEqual([
      { size: 2 },
      { size: 3, city: "Oslo" },
    ]);
  }));

test("a constraint that somebody adds is told by the row that breaks it", () =>
  withRollback(async (client) => {
    await client.query("create unique index contacts_one_owner on crm.contacts (owner_id)");
    const { created, faults } = await write(
      client,
      "contact",
      "create",
      ["a", "b", "a", "c", "b"].map((owner_id) => person({ owner_id })),
    );
    expect(created).toBe(3);
    const fields = { ownerId: ["has a value that is taken"] };
    expect(faults).toEqual([
      { index: 2, code: "CONSTRAINT_VIOLATION", fields },
      { index: 4, code: "CONSTRAINT_VIOLATION", fields },
    ]);
  }));

test("external ids can change hands within a list", () =>
  withRollback(async (client) => {
    const { ids } = await write(client, "contact", "create", [
      person({ external_ids: [external("1")] }),
      person({ external_ids: [external("2")] }),
    ]);
    const [a, b] = ids;
    const swapped = await write(client, "contact", "update", [
      { id: a, external_ids: [external("2")] },
      { id: b, external_ids: [external("1")] },
    ]);
    expect(swapped).toMatchObject({ updated: 2, faults: [] });
    const stolen = await write(client, "contact", "update", [
      { id: a, external_ids: [external("1")] },
    ]);
    expect(stolen.faults).toEqual([
      {
        index: 0,
        code: "CONSTRAINT_VIOLATION",
        fields: { "externalIds.0": ['{"id": "1", "source": "hub"} belongs to another contact'] },
      },
    ]);
  }));

test("what hangs on deleted rows goes with them, and the audit log has it", () =>
  withRollback(async (client) => {
    const { ids } = await write(client, "company", "create", [{ name: "A" }, { name: "B" }]);
    await write(
      client,
      "deal",
      "create",
      ids.map((company_id) => ({ title: "D", company_id, value: 1, stage: "Won" })),
    );
    const { deleted } = await write(
      client,
      "company",
      "delete",
      ids.map((id) => ({ id })),
    );
    expect(deleted).toBe(2);
    expect(await count(client, "crm.audit_logs where action = 'delete'")).toBe(4);
  }));

describe("no setting lets a faulty row in", () => {
  test.each(["crm.contacts 1", "contacts 1", "contacts 0"])("crm.bulk = %s", (value) =>
    withRollback(async (client) => {
      await asRole(client, "crm_member", "ada");
      await client.query("select set_config('crm.bulk', $1, true)", [value]);
      const statement = "insert into crm.contacts (first_name, last_name) values ('', 'x')";
      await client.query("savepoint before");
      await client.query(statement).catch(() => client.query("rollback to savepoint before"));
      expect(await count(client, "crm.contacts")).toBe(0);
    }),
  );

  test("nor makes a cascade miss a row", () =>
    withRollback(async (client) => {
      const { ids } = await write(client, "company", "create", [{ name: "A" }]);
      await write(client, "contact", "create", [person({ company_id: ids[0] })]);
      await client.query("select set_config('crm.bulk', 'contacts 1', true)");
      await client.query("select set_config('crm.refusing', 'on', true)");
      expect(await refusal(client, "delete from crm.companies")).toMatchObject({ code: "XX000" });
    }));
});

test("a reader is refused", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_reader", "ada");
    const values = ["contact", "create", JSON.stringify([person()]), "VALID_ONLY", false];
    expect(await refusal(client, call, values)).toMatchObject({ code: "42501" });
  }));

test("arguments that are none are refused with their names", () =>
  withRollback(async (client) => {
    for (const [values, field] of [
      [["stage", "create", "[]", "VALID_ONLY", false], "entityType"],
      [["contact", "merge", "[]", "VALID_ONLY", false], "operation"],
      [["contact", "create", "{}", "VALID_ONLY", false], "rows"],
      [["contact", "create", "[]", null, false], "mode"],
    ] as const) {
      const refused = await refusal(client, call, [...values]);
      expect(Object.keys(refused.fields ?? {})).toEqual([field]);
    }
  }));

test(
  "Property: the verdict on each row of a list is that on the row written alone",
  () =>
    withRollback(async (client) => {
      const { rows: companies } = await client.query<{ id: string }>(
        "insert into crm.companies (name) values ('Acme') returning id",
      );
      const text = fc.constantFrom<unknown>("x", "", " ", null, "y".repeat(256), "\u200b", "Ada");
      const contact = fc.record(
        {
          first_name: text,
          last_name: text,
          emails: fc.constantFrom<unknown>([], ["a@b.de"], ["a@b.de", "x"], null, [null]),
          phones: fc.constantFrom<unknown>([], ["1"], [""], null),
          company_id: fc.constantFrom<unknown>(null, companies[0]?.id, nowhere, "x"),
          owner_id: text,
          custom_fields: fc.constantFrom<unknown>({}, { a: 1 }, { a: null }, [], null),
        },
        { requiredKeys: [] },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(contact, { maxLength: 8 }), async (list) => {
          await client.query("savepoint one");
          const bulk = await write(client, "contact", "create", list);
          await client.query("rollback to savepoint one");
          const alone: unknown[] = [];
          for (const [index, row] of list.entries()) {
            await client.query("savepoint one");
            const [result] = (await write(client, "contact", "create", [row])).faults;
            const columns = Object.keys(row);
            const inserted = await client
              .query(
                `insert into crm.contacts (${["first_name", ...columns.filter((name) => name !== "first_name")].join(", ")})
               select ${["first_name", ...columns.filter((name) => name !== "first_name")].join(", ")}
               from jsonb_populate_record(null::crm.contacts, $1)`,
                [JSON.stringify(row)],
              )
              .then(
                () => true,
                () => false,
              );
            await client.query("rollback to savepoint one");
            expect([row, result === undefined]).toEqual([row, inserted]);
            if (result !== undefined) alone.push({ ...result, index });
          }
          expect(bulk.faults).toEqual(alone);
        }),
        { numRuns: 100 },
      );
    }),
  60_000,
);

describe("beside another writer", () => {
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
  beforeEach(async () => {
    await first.query("delete from crm.contacts");
    await first.query("delete from crm.companies");
  });

  async function race<Waited>(open: () => Promise<unknown>, waiting: () => Promise<Waited>) {
    await first.query("begin");
    await open();
    const waiter = waiting();
    waiter.catch(() => undefined);
    await untilBlocked(database.ownerUrl, second);
    await first.query("commit");
    return waiter;
  }

  const upsert = (client: pg.Client, last_name: string) =>
    write(
      client,
      "contact",
      "upsert",
      ["1", "2"].map((id) => ({ external_id: external(id), first_name: "A", last_name })),
      "ALL_OR_NOTHING",
    );

  test("two upserts of one external id end as one row", async () => {
    const result = await race(
      () => upsert(first, "First"),
      () => upsert(second, "Second"),
    );
    expect(result).toMatchObject({ created: 0, updated: 2, faults: [] });
    const { rows } = await first.query("select last_name, version from crm.contacts");
    expect(rows).toEqual([
      { last_name: "Second", version: 2 },
      { last_name: "Second", version: 2 },
    ]);
  });

  test("an upsert creates anew what was deleted while it waited", async () => {
    await upsert(first, "First");
    const result = await race(
      () => first.query("delete from crm.contacts"),
      () => upsert(second, "Second"),
    );
    expect(result).toMatchObject({ created: 2, updated: 0, faults: [] });
  });

  test("a version that was current when the list was sent is not when it is not any more", async () => {
    const { ids } = await upsert(first, "First");
    const result = await race(
      () => upsert(first, "Changed"),
      () =>
        write(
          second,
          "contact",
          "update",
          ids.map((id) => ({ id, last_name: "Late", version: 1 })),
        ),
    );
    expect(result).toMatchObject({
      updated: 0,
      faults: [
        { index: 0, code: "CONFLICT", fields: { version: ["is not current, which is 2"] } },
        { index: 1, code: "CONFLICT" },
      ],
    });
  });

  test("a company that is deleted meanwhile is told as a link that leads nowhere", async () => {
    const { ids } = await write(first, "company", "create", [{ name: "Acme" }]);
    const result = await race(
      () => first.query("delete from crm.companies"),
      () => write(second, "contact", "create", [person(), person({ company_id: ids[0] })]),
    );
    expect(result).toMatchObject({
      created: 1,
      faults: [
        { index: 1, code: "CONSTRAINT_VIOLATION", fields: { companyId: [expect.anything()] } },
      ],
    });
  });
});
