import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

/*
 * What works on whole rows reads their columns from the catalog: a column that is added, of whatever type,
 * is merged, logged, undone, restored, told as of a time and written in bulk as the others are.
 */

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

/** Adds a column as docs/contributing/add-a-column.md does. */
async function addColumn(client: pg.ClientBase, column: string, table = "contacts") {
  const name = /^\w+/.exec(column)?.[0] ?? "";
  const entityType = { contacts: "contact", companies: "company", deals: "deal" }[table];
  await client.query(
    `alter table crm.${table} add column ${column};
     select crm_private.compile_stamps('crm.${table}', '${entityType}');
     select crm_private.compile_rules('crm.${table}');
     select crm_private.compile_audit_log('crm.${table}', '${entityType}');`,
  );
  if (!column.includes("generated")) {
    await client.query(`grant insert (${name}), update (${name}) on crm.${table} to crm_member`);
  }
}

async function addContact(
  client: pg.ClientBase,
  number: number,
  more: Record<string, unknown> = {},
) {
  const names = Object.keys(more);
  await client.query(
    `insert into crm.contacts (${["id", "first_name", "last_name", ...names].join(", ")})
     values (${["$1", "'Ada'", "'King'", ...names.map((_, index) => `$${index + 2}`)].join(", ")})`,
    [id(number), ...Object.values(more)],
  );
}

async function valueOf(client: pg.ClientBase, name: string, number = 1): Promise<unknown> {
  const { rows } = await client.query<{ value: unknown }>(
    `select to_jsonb(${name}) as value from crm.contacts where id = $1`,
    [id(number)],
  );
  return rows[0]?.value;
}

const merge = (client: pg.ClientBase, fields: object = {}) =>
  client.query("select crm.merge_contacts($1, $2, $3)", [id(1), [id(2), id(3)], fields]);

// A definition, what the winner and the losers have, what the winner has then, what JSON writes otherwise.
const columns: [column: string, had: [unknown, unknown, unknown], gets: unknown, other: unknown][] =
  [
    ["value text", [null, "b", "c"], "b", "d"],
    ["value text", ["a", "b", "c"], "a", "d"],
    ["value text not null default 'lead'", ["lead", "lead", "customer"], "customer", "gone"],
    ["value boolean not null default false", [false, true, false], true, false],
    ["value boolean", [false, true, null], false, true],
    ["value integer not null default 0", [0, 0, 7], 7, 8],
    ["value smallint", [null, null, 7], 7, 8],
    ["value bigint", [null, "9007199254740991", null], 9007199254740991, 8],
    ["value numeric(10, 2)", [null, "1.10", "2"], 1.1, 3.5],
    ["value date", [null, "2026-02-28", null], "2026-02-28", "2027-01-01"],
    ["value uuid default gen_random_uuid()", [null, id(9), null], id(9), id(8)],
    ["value jsonb not null default '{}'", ["{}", "{}", '{"a": 1}'], { a: 1 }, { b: 2 }],
    [
      "value text[] not null default '{}'",
      [["a", "x1"], ["b", "a"], ["y1"]],
      ["a", "x1", "b", "y1"],
      ["c"],
    ],
    ["value integer[]", [null, null, [1, 2]], [1, 2], [3]],
    ["value text unique", [null, "b", "c"], "b", "d"],
  ];

describe.each(columns)("%s", (column, had, gets, other) => {
  test("is merged, or chosen, and comes back when that is undone", () =>
    withRollback(async (client) => {
      await addColumn(client, column);
      for (const [index, value] of had.entries()) {
        await addContact(client, index + 1, { value });
      }
      const all = "select to_jsonb(value) as value from crm.contacts order by id";
      const { rows: before } = await client.query(all);
      await asRole(client, "crm_member", "ada");
      await merge(client);
      expect(await valueOf(client, "value")).toEqual(gets);
      await client.query("reset role");
      const { rows: entries } = await client.query<{ id: string }>(
        `select id from crm.audit_logs
         where user_id = 'ada' and entity_type = 'contact' order by id desc`,
      );
      expect(entries.length).toBeGreaterThan(1);
      for (const entry of entries) await client.query("select crm.undo_entry($1)", [entry.id]);
      expect((await client.query(all)).rows).toEqual(before);
    }));

  test("can be chosen in a merge, and written in bulk", () =>
    withRollback(async (client) => {
      await addColumn(client, column);
      for (const number of [1, 2, 3]) await addContact(client, number);
      await asRole(client, "crm_member", "ada");
      await merge(client, { value: other });
      expect(await valueOf(client, "value")).toEqual(other);
      await client.query("select crm_private.write_rows('contact', 'create', $1)", [
        JSON.stringify([{ first_name: "Bulk", last_name: "King", value: gets }]),
      ]);
      const { rows } = await client.query(
        "select to_jsonb(value) as value from crm.contacts where first_name = 'Bulk'",
      );
      expect(rows).toEqual([{ value: gets }]);
    }));
});

test.each([
  ["boolean", "yes", "must be true or false"],
  ["numeric", "much", "must be a number"],
  ["bigint", 1.5, "must be a number"],
  ["date", "2026-02-30", '"2026-02-30" has the wrong form'],
  ["date", 5, "must be text"],
  ["timestamptz", "never", '"never" has the wrong form'],
  ["integer[]", ["a"], "must be a list"],
])("a value that is no %s is refused where it is chosen in a merge: %j", (type, value, message) =>
  withRollback(async (client) => {
    await addColumn(client, `value ${type}`);
    for (const number of [1, 2, 3]) await addContact(client, number);
    expect(
      await refusal(client, "select crm.merge_contacts($1, $2, $3)", [
        id(1),
        [id(2)],
        JSON.stringify({ value }),
      ]),
    ).toMatchObject({ constraint: "contacts_fields_type", fields: { value: [message] } });
  }),
);

test("a link from one contact to another moves to the winner, which never refers to itself", () =>
  withRollback(async (client) => {
    await addColumn(
      client,
      "manager_id uuid constraint contacts_manager_id_exists references crm.contacts",
    );
    await client.query("create index on crm.contacts (manager_id)");
    await addContact(client, 4);
    await addContact(client, 1);
    await addContact(client, 2, { manager_id: id(1) });
    await addContact(client, 3, { manager_id: id(4) });
    await addContact(client, 5, { manager_id: id(2) });
    await asRole(client, "crm_member", "ada");
    await merge(client);
    expect(await valueOf(client, "manager_id", 1)).toBe(id(4));
    expect(await valueOf(client, "manager_id", 5)).toBe(id(1));
  }));

test("another link of deals to contacts moves as well", () =>
  withRollback(async (client) => {
    await addColumn(
      client,
      "referrer_id uuid constraint deals_referrer_id_exists references crm.contacts",
      "deals",
    );
    for (const number of [1, 2, 3]) await addContact(client, number);
    await client.query("insert into crm.companies (id, name) values ($1, 'Acme')", [id(9)]);
    await client.query(
      `insert into crm.deals (title, company_id, value, stage, referrer_id, contact_id)
       values ('Engine', $1, 1, 'Won', $2, $3)`,
      [id(9), id(3), id(1)],
    );
    await asRole(client, "crm_member", "ada");
    const { rows } = await client.query(
      "select deals_moved, notes_moved from crm.merge_contacts($1, $2)",
      [id(1), [id(2), id(3)]],
    );
    expect(rows).toEqual([{ deals_moved: 1, notes_moved: 0 }]);
    expect((await client.query("select referrer_id, contact_id from crm.deals")).rows).toEqual([
      { referrer_id: id(1), contact_id: id(1) },
    ]);
  }));

test("a row from before the column has its default as of then, deleted or not, and comes back with it", () =>
  withRollback(async (client) => {
    await addContact(client, 1);
    await addContact(client, 2);
    await client.query("delete from crm.contacts where id = $1", [id(2)]);
    await addColumn(client, "value text not null default 'lead'");
    await client.query("update crm.contacts set value = 'customer' where id = $1", [id(1)]);
    const was = async (number: number) =>
      (
        await client.query<{ value: string }>("select value from crm.contact_as_of($1, now())", [
          id(number),
        ])
      ).rows;
    expect(await was(1)).toEqual([{ value: "lead" }]);
    expect(await was(2)).toEqual([{ value: "lead" }]);
    await client.query("select crm.restore_deleted('contact', $1)", [id(2)]);
    expect(await valueOf(client, "value", 2)).toBe("lead");
  }));

test("a generated column follows from the row as it was, and an update that changes nothing is none", () =>
  withRollback(async (client) => {
    await addColumn(
      client,
      "full_name text generated always as (first_name || ' ' || last_name) stored",
    );
    await addContact(client, 1);
    await client.query("update crm.contacts set last_name = 'Byron'");
    expect(
      (
        await client.query("select full_name, search_document from crm.contact_as_of($1, now())", [
          id(1),
        ])
      ).rows,
    ).toEqual([{ full_name: "Ada King", search_document: null }]);
    await client.query("update crm.contacts set last_name = 'Byron'");
    expect((await client.query("select version from crm.contacts")).rows).toEqual([{ version: 2 }]);
    await client.query("delete from crm.contacts");
    await client.query("select crm.restore_deleted('contact', $1)", [id(1)]);
    expect(await valueOf(client, "full_name")).toBe("Ada Byron");
  }));

test("a merge of companies carries a column over, too", () =>
  withRollback(async (client) => {
    await addColumn(client, "vat text", "companies");
    await client.query(
      "insert into crm.companies (id, name, vat) values ($1, 'Acme', null), ($2, 'Acme', 'DE1')",
      [id(1), id(2)],
    );
    await asRole(client, "crm_member", "ada");
    await client.query("select crm.merge_companies($1, $2)", [id(1), [id(2)]]);
    expect((await client.query("select vat from crm.companies")).rows).toEqual([{ vat: "DE1" }]);
  }));
