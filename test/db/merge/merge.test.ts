import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  untilBlocked,
  withRollback,
} from "../../helpers/database.ts";
import { outcome, type Refusal, refusal } from "../../helpers/refusal.ts";

/** The id of the contact or company with this number. */
const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

const acme = id(100);

async function addContacts(client: pg.ClientBase, ...contacts: object[]): Promise<void> {
  await client.query(
    `insert into crm.contacts
       (id, first_name, last_name, emails, phones, company_id, owner_id, custom_fields)
     select
       coalesce(given.id, ('00000000-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid),
       coalesce(first_name, 'Ada'), coalesce(last_name, 'Lovelace'), coalesce(emails, '{}'),
       coalesce(phones, '{}'), company_id, owner_id, coalesce(custom_fields, '{}')
     from jsonb_array_elements($1) with ordinality as item (value, number)
     cross join lateral jsonb_populate_record(null::crm.contacts, value) as given`,
    [JSON.stringify(contacts)],
  );
}

async function addCompany(client: pg.ClientBase, companyId: string, fields = {}): Promise<void> {
  await client.query(
    `insert into crm.companies (id, name, address, owner_id, custom_fields)
     select $1, coalesce(name, 'Acme'), address, owner_id, coalesce(custom_fields, '{}')
     from jsonb_populate_record(null::crm.companies, $2)`,
    [companyId, JSON.stringify(fields)],
  );
}

async function define(client: pg.ClientBase, entityType: string, ...names: string[]) {
  await client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     select name, name, $1, 'text' from unnest($2::text[]) as name`,
    [entityType, names],
  );
}

const mergeContacts = "select * from crm.merge_contacts($1, $2, $3)";
const mergeCompanies = "select * from crm.merge_companies($1, $2, $3)";

async function merge(
  client: pg.ClientBase,
  losers: string[],
  fields: object = {},
  text = mergeContacts,
): Promise<Record<string, unknown>> {
  const { rows } = await client.query(text, [id(1), losers, fields]);
  return rows[0] as Record<string, unknown>;
}

async function all(client: pg.ClientBase, table: string): Promise<Record<string, unknown>[]> {
  const { rows } = await client.query(`select * from crm.${table} order by id`);
  return rows as Record<string, unknown>[];
}

describe("the contact that is left", () => {
  test("keeps its values and gets what it has none for from the first loser that has one", () =>
    withRollback(async (client) => {
      await define(client, "contact", "a", "b", "c");
      await addCompany(client, acme);
      await addContacts(
        client,
        { first_name: "Augusta", custom_fields: { a: "1" } },
        { owner_id: "ann", custom_fields: { a: "2", b: "2" } },
        { owner_id: "bob", company_id: acme, custom_fields: { b: "3", c: "3" } },
      );
      await merge(client, [id(2), id(3)]);
      expect(await all(client, "contacts")).toMatchObject([
        {
          id: id(1),
          first_name: "Augusta",
          owner_id: "ann",
          company_id: acme,
          custom_fields: { a: "1", b: "2", c: "3" },
          version: 2,
        },
      ]);
    }));

  test("takes the losers in the order in which they are named", () =>
    withRollback(async (client) => {
      await addContacts(client, {}, { owner_id: "ann" }, { owner_id: "bob" });
      await merge(client, [id(3), id(2)]);
      expect(await all(client, "contacts")).toMatchObject([{ owner_id: "bob" }]);
    }));

  test("has the addresses and numbers of all, its own first, none of them twice", () =>
    withRollback(async (client) => {
      await addContacts(
        client,
        { emails: ["a@x.org", "A@x.org"], phones: ["+49 30 1"] },
        { emails: ["b@x.org", "a@X.ORG"], phones: ["0049 (30) 1", "030 1", "Call me"] },
        { emails: ["B@x.org", "c@x.org"], phones: ["call me", "+49 30-2"] },
      );
      await merge(client, [id(2), id(3)]);
      expect(await all(client, "contacts")).toMatchObject([
        {
          emails: ["a@x.org", "A@x.org", "b@x.org", "c@x.org"],
          phones: ["+49 30 1", "030 1", "Call me", "+49 30-2"],
        },
      ]);
    }));

  test("has the chosen fields, whatever the rows have", () =>
    withRollback(async (client) => {
      await define(client, "contact", "a", "b", "c");
      await addContacts(
        client,
        { emails: ["a@x.org"], owner_id: "ann", custom_fields: { a: "1" } },
        { emails: ["b@x.org"], phones: ["1"], custom_fields: { b: "2", c: "2" } },
      );
      await merge(client, [id(2)], {
        firstName: "Augusta",
        last_name: "King",
        emails: ["king@x.org"],
        ownerId: null,
        customFields: { a: "chosen", b: null },
        version: 1,
      });
      expect(await all(client, "contacts")).toMatchObject([
        {
          first_name: "Augusta",
          last_name: "King",
          emails: ["king@x.org"],
          phones: ["1"],
          owner_id: null,
          custom_fields: { a: "chosen", c: "2" },
        },
      ]);
    }));

  test("has everything that belonged to the losers, and the call says how much", () =>
    withRollback(async (client) => {
      await addCompany(client, acme);
      await addContacts(client, {}, {}, {}, { last_name: "Babbage" });
      await client.query(
        `insert into crm.deals (title, company_id, contact_id, value, stage)
         select 'Engine', $1, id, 1, 'Won' from crm.contacts`,
        [acme],
      );
      for (const [table, column] of [
        ["tasks", "description"],
        ["notes", "content"],
      ]) {
        await client.query(
          `insert into crm.${table} (${column}, entity_type, entity_id)
           select 'Hm', 'contact', id from crm.contacts, generate_series(1, 2)`,
        );
      }
      const { rows } = await client.query<{ id: string }>(
        "select pg_current_xact_id()::text as id",
      );
      expect(await merge(client, [id(2), id(3)])).toEqual({
        contact_id: id(1),
        transaction_id: rows[0]?.id,
        deals_moved: 2,
        tasks_moved: 4,
        notes_moved: 4,
      });
      for (const [table, count] of [
        ["deals", 3],
        ["tasks", 6],
        ["notes", 6],
      ] as const) {
        const moved = await all(client, table);
        expect(moved.filter((row) => row.contact_id === id(1))).toHaveLength(count);
        expect(moved.filter((row) => row.contact_id === id(4))).toHaveLength(count / 3);
      }
    }));
});

describe("the company that is left", () => {
  test("keeps its values, gets the missing ones, and has the chosen ones", () =>
    withRollback(async (client) => {
      await define(client, "company", "a", "b");
      await addCompany(client, id(1), { name: "Acme", address: {}, custom_fields: { a: "1" } });
      await addCompany(client, id(2), { address: { city: "Berlin" }, custom_fields: { b: "2" } });
      await addCompany(client, id(3), { address: { city: "Rome" }, owner_id: "ann" });
      await merge(client, [id(2), id(3)], { name: "Acme Inc." }, mergeCompanies);
      expect(await all(client, "companies")).toMatchObject([
        {
          id: id(1),
          name: "Acme Inc.",
          address: { city: "Berlin" },
          owner_id: "ann",
          custom_fields: { a: "1", b: "2" },
        },
      ]);
    }));

  test("has everything that belonged to the losers, and the call says how much", () =>
    withRollback(async (client) => {
      for (const number of [1, 2, 3]) await addCompany(client, id(number));
      await client.query(
        `insert into crm.contacts (first_name, last_name, company_id)
         select 'Ada', 'Lovelace', id from crm.companies`,
      );
      await client.query(
        `insert into crm.deals (title, company_id, value, stage)
         select 'Engine', id, 1, 'Won' from crm.companies`,
      );
      await client.query(
        `insert into crm.tasks (description, entity_type, entity_id)
         select 'Hm', 'company', id from crm.companies`,
      );
      await client.query(
        `insert into crm.notes (content, entity_type, entity_id)
         select 'Hm', 'company', id from crm.companies`,
      );
      expect(await merge(client, [id(2), id(3)], {}, mergeCompanies)).toMatchObject({
        company_id: id(1),
        contacts_moved: 2,
        deals_moved: 2,
        tasks_moved: 2,
        notes_moved: 2,
      });
      for (const table of ["contacts", "deals", "tasks", "notes"]) {
        expect((await all(client, table)).map((row) => row.company_id)).toEqual([
          id(1),
          id(1),
          id(1),
        ]);
      }
    }));
});

test("every link to a contact or a company is one that a merge moves", () =>
  withRollback(async (client) => {
    const { rows } = await client.query(
      `select conname as link from pg_constraint
       where contype = 'f' and confrelid in ('crm.contacts'::regclass, 'crm.companies'::regclass)
       order by 1`,
    );
    expect(rows.map(({ link }: { link: string }) => link)).toEqual([
      "contacts_company_id_exists",
      "deals_company_id_exists",
      "deals_contact_id_exists",
      "notes_company_id_exists",
      "notes_contact_id_exists",
      "tasks_company_id_exists",
      "tasks_contact_id_exists",
    ]);
  }));

describe("the audit log of a merge", () => {
  test("is one transaction that moves everything before it deletes the losers, whole", () =>
    withRollback(async (client) => {
      await addCompany(client, acme);
      await addContacts(client, {}, { emails: ["b@x.org"] });
      await client.query(
        `insert into crm.deals (title, company_id, contact_id, value, stage)
         values ('Engine', $1, $2, 1, 'Won')`,
        [acme, id(2)],
      );
      const { rows: before } = await client.query<{ last: string }>(
        "select max(id) as last from crm.audit_logs",
      );
      const { transaction_id } = await merge(client, [id(2)]);
      const { rows } = await client.query(
        `select entity_type, action, changes, transaction_id
         from crm.audit_logs where id > $1 order by id`,
        [before[0]?.last],
      );
      expect(rows).toMatchObject([
        { entity_type: "contact", action: "update", changes: { emails: { old: [] } } },
        {
          entity_type: "deal",
          action: "update",
          changes: { contact_id: { old: id(2), new: id(1) } },
        },
        {
          entity_type: "contact",
          action: "delete",
          changes: { id: id(2), emails: ["b@x.org"] },
        },
      ]);
      expect(new Set(rows.map((row: { transaction_id: string }) => row.transaction_id))).toEqual(
        new Set([transaction_id]),
      );
    }));

  test("has no entry of a winner that nothing changed", () =>
    withRollback(async (client) => {
      await addContacts(client, {}, {});
      await merge(client, [id(2)]);
      expect(await all(client, "contacts")).toMatchObject([{ version: 1 }]);
    }));
});

test("a thousand losers are merged at once", () =>
  withRollback(async (client) => {
    const count = 1001;
    await addContacts(
      client,
      ...Array.from({ length: count }, (_, index) => ({ phones: [String(index % 50)] })),
    );
    await client.query(
      `insert into crm.notes (content, entity_type, entity_id)
       select 'Hm', 'contact', id from crm.contacts`,
    );
    const losers = Array.from({ length: count - 1 }, (_, index) => id(index + 2));
    expect(await merge(client, losers)).toMatchObject({ notes_moved: count - 1 });
    expect(await all(client, "contacts")).toHaveLength(1);
  }));

describe("a merge is refused", () => {
  const faulty = async (losers: unknown, fields: unknown, winner: unknown = id(1)) =>
    withRollback(async (client) => {
      await addContacts(client, {}, {});
      const refused = await refusal(client, mergeContacts, [
        winner,
        losers,
        fields === undefined ? "{}" : JSON.stringify(fields),
      ]);
      expect(await all(client, "contacts")).toMatchObject([{ version: 1 }, { version: 1 }]);
      return refused;
    });

  test.each([
    ["without losers", [], {}, "losers_present", { losers: ["must name at least one"] }],
    ["with null for losers", null, {}, "losers_present", { losers: ["must name at least one"] }],
    ["with a null loser", [null], {}, "losers_present", { losers: ["must not contain null"] }],
    [
      "with a loser twice",
      [id(2), id(2)],
      {},
      "losers_distinct",
      { losers: [`must not name ${id(2)} twice`] },
    ],
    [
      "with the winner among the losers",
      [id(2), id(1)],
      {},
      "losers_others",
      { losers: [`must not name the winner, ${id(1)}`] },
    ],
    [
      "with fields that are no object",
      [id(2)],
      [1],
      "fields_object",
      { fields: ["must be an object"] },
    ],
    [
      "with fields that nobody may set, or that are none",
      [id(2)],
      { id: id(3), createdAt: "2026-01-01", emails: [], "": 1, toString: 1 },
      "fields_known",
      {
        id: ["is not a field that can be given here"],
        createdAt: ["is not a field that can be given here"],
        "": ["is not a field that can be given here"],
        toString: ["is not a field that can be given here"],
      },
    ],
    [
      "with a field by both of its names",
      [id(2)],
      { lastName: "King", last_name: "Byron" },
      "fields_known",
      { lastName: ["is given twice"] },
    ],
    [
      "with values of another type",
      [id(2)],
      {
        firstName: 5,
        emails: [["a@x.org"]],
        phones: "1",
        companyId: "acme",
        version: 1.5,
      },
      "fields_type",
      {
        firstName: ["must be text"],
        emails: ["must be a list of texts"],
        phones: ["must be a list of texts"],
        companyId: ["must be a UUID"],
        version: ["must be a whole number below 2,147,483,648"],
      },
    ],
    [
      "with JSON of another kind",
      [id(2)],
      { customFields: [], emails: [null] },
      "emails_list",
      {
        customFields: ["must be an object"],
        emails: ["must be a list of at most 100 addresses, none of them null"],
      },
    ],
    [
      "with values that break rules",
      [id(2)],
      { lastName: " ", emails: ["x"], phones: null, customFields: { size: 1 } },
      "last_name_blank",
      {
        lastName: ["must not be blank"],
        "emails.0": ['"x" is not an email address'],
        phones: ["is required"],
        "customFields.size": ["is not a custom field of this entity type"],
      },
    ],
  ])("%s", async (_, losers, fields, rule, fields_) => {
    expect(await faulty(losers, fields)).toMatchObject({
      code: "23514",
      constraint: `contacts_${rule}`,
      fields: fields_,
    });
  });

  test("without a winner", async () => {
    expect(await faulty([id(2)], {}, null)).toMatchObject({
      code: "23514",
      constraint: "contacts_winner_present",
      fields: { winner: ["is required"] },
    });
  });

  test("with a company that is not there", async () => {
    expect(await faulty([id(2)], { companyId: acme })).toMatchObject({
      code: "23503",
      constraint: "contacts_company_id_exists",
    });
  });

  test("with rows that are not there, and names them all", async () => {
    expect(await faulty([id(2), id(8), id(9)], {})).toMatchObject({
      code: "P0002",
      fields: { entityType: "contact", ids: [id(8), id(9)] },
    });
    expect(await faulty([id(2)], {}, id(9))).toMatchObject({
      code: "P0002",
      fields: { entityType: "contact", ids: [id(9)] },
    });
  });

  test("with a version that is not the winner's", async () => {
    expect(await faulty([id(2)], { version: 2 })).toMatchObject({
      code: "CRM01",
      constraint: "contacts_version_current",
      fields: { version: 1 },
    });
  });

  test("where the winner would have more than 100 addresses, unless they are chosen", () =>
    withRollback(async (client) => {
      const many = (name: string) => Array.from({ length: 60 }, (_, i) => `${name}${i}@x.org`);
      await addContacts(client, { emails: many("a") }, { emails: many("b") });
      expect(await refusal(client, mergeContacts, [id(1), [id(2)], "{}"])).toMatchObject({
        code: "23514",
        constraint: "contacts_emails_list",
      });
      await merge(client, [id(2)], { emails: many("b") });
      expect(await all(client, "contacts")).toMatchObject([{ emails: many("b") }]);
    }));

  test("for companies alike", () =>
    withRollback(async (client) => {
      await addCompany(client, id(1));
      const refused = (losers: string[], fields: object) =>
        refusal(client, mergeCompanies, [id(1), losers, JSON.stringify(fields)]);
      expect(await refused([id(1)], { emails: [], name: 5 })).toMatchObject({
        code: "23514",
        fields: {
          losers: [`must not name the winner, ${id(1)}`],
          emails: ["is not a field that can be given here"],
          name: ["must be text"],
        },
      });
      expect(await refused([id(2)], {})).toMatchObject({
        code: "P0002",
        fields: { entityType: "company", ids: [id(2)] },
      });
    }));
});

describe.each([
  ["contact", "contacts", mergeContacts],
  ["company", "companies", mergeCompanies],
])("the id of a merged %s", (type, table, text) => {
  const add = async (client: pg.Client) => {
    if (type === "contact") await addContacts(client, {}, {}, {}, {});
    else for (const number of [1, 2, 3, 4]) await addCompany(client, id(number));
  };
  const lead = async (client: pg.Client, number: number) => {
    const { rows } = await client.query<{ into: string | null; row: string | null }>(
      `select crm.merged_into($1, $2) as into, (crm.${type}_merged_into($2)).id as row`,
      [type, id(number)],
    );
    return rows[0];
  };

  test("leads to the one that is left, through chains, for readers too", () =>
    withRollback(async (client) => {
      await add(client);
      await asRole(client, "crm_member", "ann");
      await client.query(text, [id(2), [id(3)], {}]);
      await client.query(text, [id(1), [id(2)], {}]);
      await asRole(client, "crm_reader", "eve");
      expect(await lead(client, 3)).toEqual({ into: id(1), row: id(1) });
      expect(await lead(client, 2)).toEqual({ into: id(1), row: id(1) });
      for (const number of [1, 4, 9]) {
        expect(await lead(client, number)).toEqual({ into: null, row: null });
      }
      for (const other of ["deal", "task", ""]) {
        expect(
          await refusal(client, "select crm.merged_into($1, $2)", [other, id(1)]),
        ).toMatchObject({
          code: "23514",
          fields: { entityType: [expect.any(String)] },
        });
      }
    }));

  test("leads nowhere when the merge was undone, or the row is back from the trash, and again when it is redone", () =>
    withRollback(async (client) => {
      await add(client);
      const { rows } = await client.query<{ transaction_id: string }>(text, [id(1), [id(2)], {}]);
      await client.query("select crm.restore_deleted($1, $2)", [type, id(2)]);
      expect(await lead(client, 2)).toEqual({ into: null, row: null });
      expect(rows).toHaveLength(1);
      await client.query(`delete from crm.${table} where id = $1`, [id(2)]);
      expect(await lead(client, 2)).toEqual({ into: null, row: null });
    }));

  test("is in the history of the one that is left, for everybody, as long as it is part of it", async () => {
    const database = await createTestDatabase();
    const client = await connect(database.ownerUrl);
    await add(client);
    const merged = await client.query<{ transaction_id: string }>(text, [id(1), [id(2)], {}]);
    const history = async () => {
      await client.query("begin");
      await asRole(client, "crm_reader", "eve");
      const { rows } = await client.query<{ entity_id: string; action: string }>(
        `select entry.entity_id, entry.action
         from crm.${table} as record cross join crm.${table}_history(record) as entry
         where record.id = $1`,
        [id(1)],
      );
      await client.query("rollback");
      return rows.filter(({ entity_id }) => entity_id === id(2)).map(({ action }) => action);
    };
    expect(await history()).toEqual(["delete", "create"]);
    const undone = await client.query<{ transaction_id: string }>(
      "select transaction_id from crm.undo_transaction($1)",
      [merged.rows[0]?.transaction_id],
    );
    expect(await history()).toEqual([]);
    expect(await lead(client, 2)).toEqual({ into: null, row: null });
    await client.query("select crm.undo_transaction($1)", [undone.rows[0]?.transaction_id]);
    expect(await history()).toEqual(["delete", "create", "delete", "create"]);
    expect(await lead(client, 2)).toEqual({ into: id(1), row: id(1) });
    await client.query(`delete from crm.${table} where id = $1`, [id(1)]);
    expect(await lead(client, 2)).toEqual({ into: id(1), row: null });
    await client.end();
    await database.drop();
  });

  test("can still be restored from the trash of who merged it", () =>
    withRollback(async (client) => {
      await add(client);
      await asRole(client, "crm_member", "ann");
      await client.query(text, [id(1), [id(2)], {}]);
      const { rows } = await client.query("select entity_id as id from crm.trash where entity_type = $1", [
        type,
      ]);
      expect(rows).toEqual([{ id: id(2) }]);
    }));
});

test("members merge what they could change by hand, readers do not", () =>
  withRollback(async (client) => {
    await addContacts(client, {}, {});
    await addCompany(client, id(1));
    await addCompany(client, id(2));
    await asRole(client, "crm_reader", "ada");
    for (const text of [mergeContacts, mergeCompanies]) {
      expect(await refusal(client, text, [id(1), [id(2)], "{}"])).toMatchObject({ code: "42501" });
    }
    await client.query("reset role");
    await asRole(client, "crm_member", "ada");
    await merge(client, [id(2)], { firstName: "Augusta" });
    await merge(client, [id(2)], {}, mergeCompanies);
    expect(await all(client, "contacts")).toMatchObject([{ updated_by: "ada" }]);
  }));

describe("beside other writers", () => {
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

  type Statement = [text: string, values: unknown[]];

  /** Lets the second statement wait for the transaction of the first, which then commits. */
  async function race(
    [open, openValues]: Statement,
    [waiting, waitingValues]: Statement,
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

  async function start(count = 3): Promise<void> {
    await first.query("delete from crm.companies");
    await first.query("delete from crm.contacts");
    await addCompany(first, acme);
    await addContacts(first, ...Array.from({ length: count }, () => ({})));
  }

  const mergeTwo: Statement = [mergeContacts, [id(1), [id(2)], "{}"]];
  const mergeThree: Statement = [mergeContacts, [id(3), [id(2)], "{}"]];
  const addDeal: Statement = [
    `insert into crm.deals (title, company_id, contact_id, value, stage)
     values ('Engine', $1, $2, 1, 'Won')`,
    [acme, id(2)],
  ];
  const addNote: Statement = [
    "insert into crm.notes (content, entity_type, entity_id) values ('Hm', 'contact', $1)",
    [id(2)],
  ];

  test.each([
    ["deals", addDeal],
    ["notes", addNote],
  ] as const)(
    "%s that a loser gets while it is merged move, or are refused, and never vanish",
    async (table, add) => {
      await start();
      expect(await race([...add], mergeTwo)).toBe("done");
      expect(await all(first, table)).toMatchObject([{ contact_id: id(1) }]);

      await start();
      expect(await race(mergeTwo, [...add])).toMatchObject({
        code: "23503",
        constraint: `${table}_contact_id_exists`,
      });
      expect(await all(first, table)).toEqual([]);
    },
  );

  test("a deal that a repeatable read merge cannot see makes it fail to serialize", async () => {
    await start();
    expect(await race([...addDeal], mergeTwo, "repeatable read")).toMatchObject({ code: "40001" });
    expect(await all(first, "deals")).toMatchObject([{ contact_id: id(2) }]);
  });

  test("what a loser is changed to while it is merged is merged", async () => {
    await start();
    const change: Statement = [
      "update crm.contacts set emails = '{late@x.org}' where id = $1",
      [id(2)],
    ];
    expect(await race(change, mergeTwo)).toBe("done");
    expect(await all(first, "contacts")).toMatchObject([{ emails: ["late@x.org"] }, { id: id(3) }]);
  });

  test("of two merges of one loser the second finds it gone", async () => {
    await start();
    expect(await race(mergeTwo, mergeThree)).toMatchObject({
      code: "P0002",
      fields: { entityType: "contact", ids: [id(2)] },
    });
  });

  test("merges that overlap in any order come one after the other, without a deadlock", async () => {
    await start(8);
    await first.query(
      `insert into crm.notes (content, entity_type, entity_id)
       select 'Hm', 'contact', id from crm.contacts, generate_series(1, 20)`,
    );
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(database.ownerUrl)));
    const orders = [
      [1, 2, 3, 4],
      [4, 3, 2, 1],
      [8, 1, 7, 2],
      [5, 6, 7, 8],
      [3, 8, 5],
      [6, 1],
    ];
    const outcomes = await Promise.all(
      clients.map((client, index) => {
        const [winner = 1, ...losers] = orders[index] ?? [];
        return outcome(client.query(mergeContacts, [id(winner), losers.map(id), "{}"]));
      }),
    );
    await Promise.all(clients.map((client) => client.end()));
    expect(outcomes).toContain("done");
    for (const result of outcomes) {
      if (result !== "done") expect(result).toMatchObject({ code: "P0002" });
    }
    const { rows } = await first.query("select count(*)::int from crm.notes");
    expect(rows).toEqual([{ count: 160 }]);
  });
});

/*
 * The law: whatever hangs on whatever, a merge loses nothing. Afterwards every deal, task and note
 * of a loser is the winner's, that of anyone else is as it was, and so are all values; the addresses
 * are the union.
 */
test("merging any contacts, and any companies, loses nothing", async () => {
  const people = 6;
  const person = fc.integer({ min: 1, max: people });
  const graph = fc.record({
    emails: fc.array(fc.array(fc.constantFrom("a@x.org", "A@x.org", "b@x.org", "c@x.org")), {
      minLength: people,
      maxLength: people,
    }),
    employers: fc.array(fc.option(fc.integer({ min: 101, max: 104 })), {
      minLength: people,
      maxLength: people,
    }),
    deals: fc.array(fc.tuple(fc.integer({ min: 101, max: 104 }), fc.option(person))),
    notes: fc.array(fc.oneof(person, fc.integer({ min: 101, max: 104 }))),
    merged: fc.uniqueArray(person, { minLength: 2 }),
    mergedCompanies: fc.uniqueArray(fc.integer({ min: 101, max: 104 }), { minLength: 2 }),
  });

  await withRollback((client) =>
    fc.assert(
      fc.asyncProperty(
        graph,
        async ({ emails, employers, deals, notes, merged, mergedCompanies }) => {
          await client.query("savepoint run");
          for (const number of [101, 102, 103, 104]) await addCompany(client, id(number));
          await addContacts(
            client,
            ...emails.map((list, index) => ({
              emails: list,
              company_id: employers[index] == null ? null : id(employers[index]),
            })),
          );
          await client.query(
            `insert into crm.deals (title, company_id, contact_id, value, stage)
           select 'Engine', company, contact, 1, 'Won'
           from unnest($1::uuid[], $2::uuid[]) as deal (company, contact)`,
            [
              deals.map(([company]) => id(company)),
              deals.map(([, contact]) => (contact === null ? null : id(contact))),
            ],
          );
          for (const [table, column] of [
            ["notes", "content"],
            ["tasks", "description"],
          ]) {
            await client.query(
              `insert into crm.${table} (${column}, entity_type, entity_id)
             select 'Hm', type, entity from unnest($1::text[], $2::uuid[]) as note (type, entity)`,
              [notes.map((entity) => (entity > 100 ? "company" : "contact")), notes.map(id)],
            );
          }
          const before: Record<string, unknown>[][] = [];
          for (const table of ["deals", "notes", "tasks", "contacts"]) {
            before.push(await all(client, table));
          }

          const [winner = 0, ...losers] = merged;
          const [company = 0, ...companies] = mergedCompanies;
          await client.query(mergeContacts, [id(winner), losers.map(id), "{}"]);
          await client.query(mergeCompanies, [id(company), companies.map(id), "{}"]);

          const moved = (value: unknown): unknown => {
            if (losers.some((loser) => id(loser) === value)) return id(winner);
            if (companies.some((loser) => id(loser) === value)) return id(company);
            return value;
          };
          for (const [index, table] of ["deals", "notes", "tasks"].entries()) {
            const expected = before[index]?.map((row) => ({
              ...row,
              ...Object.fromEntries(
                ["company_id", "contact_id", "entity_id"]
                  .filter((column) => column in row)
                  .map((column) => [column, moved(row[column])]),
              ),
              version: expect.any(Number),
              updated_at: expect.any(Date),
            }));
            expect(await all(client, table)).toEqual(expected);
          }
          const left = await all(client, "contacts");
          expect(left.map((row) => row.id)).toEqual(
            before[3]?.map((row) => row.id).filter((contact) => moved(contact) === contact),
          );
          const keys = (list: unknown) =>
            new Set((list as string[]).map((one) => one.toLowerCase()));
          const union = merged.flatMap((number) => emails[number - 1] ?? []);
          const result = left.find((row) => row.id === id(winner));
          expect(keys(result?.emails)).toEqual(keys(union));
          const { rows } = await client.query("select id from crm.companies order by id");
          expect(rows).toHaveLength(4 - companies.length);
          await client.query("rollback to savepoint run");
        },
      ),
      { numRuns: 100 },
    ),
  );
}, 120_000);

describe("tables of an application", () => {
  /** Products of a company, and which of them it has seen; the latter have no id. */
  async function addShop(client: pg.Client, rights: string): Promise<void> {
    await client.query(`
      create schema shop;
      grant usage on schema shop to crm_member;
      create table shop.products (
        id uuid primary key default gen_random_uuid(),
        company_id uuid not null references crm.companies on delete cascade
      );
      create table shop.visits (
        company_id uuid references crm.companies on delete cascade,
        day date,
        primary key (company_id, day)
      );
      grant ${rights} on all tables in schema shop to crm_member;
    `);
    await addCompany(client, id(1));
    await addCompany(client, id(2), { name: "Ajax" });
    await client.query(`
      insert into shop.products (company_id) values ('${id(1)}'), ('${id(2)}');
      insert into shop.visits values ('${id(1)}', '2026-01-01'), ('${id(2)}', '2026-01-02');
    `);
  }

  test("move to the winner, whether their rows have an id or not", () =>
    withRollback(async (client) => {
      await addShop(client, "select, update");
      await asRole(client, "crm_member", "ann");
      await merge(client, [id(2)], {}, mergeCompanies);
      const { rows } = await client.query(
        `select (select count(*)::int from shop.products where company_id = '${id(1)}') as products,
           (select count(*)::int from shop.visits where company_id = '${id(1)}') as visits`,
      );
      expect(rows).toEqual([{ products: 2, visits: 2 }]);
    }));

  test("that may not be changed keep a merge from being made, and their rows from being lost", () =>
    withRollback(async (client) => {
      await addShop(client, "select");
      await asRole(client, "crm_member", "ann");
      expect(
        await refusal(client, `select crm.merge_companies('${id(1)}', array['${id(2)}'::uuid])`),
      ).toMatchObject({ code: "42501" });
      expect((await client.query("select from shop.products")).rowCount).toBe(2);
    }));
});
