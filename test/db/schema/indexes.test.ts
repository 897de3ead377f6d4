import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type pg from "pg";

import { connect } from "../../../server/postgres/connect.ts";
import { asRole, createTestDatabase, type TestDatabase, withRollback } from "../../helpers/database.ts";

const some = "'5d3c3a3e-4f1c-4c7e-9a43-2f4a3d0c5f10'";
const newestFirst = " order by created_at desc, id desc";
const gin = (name: string, column: string) => [name, "gin", column] as const;
const btree = (name: string, columns: string) => [name, "btree", columns] as const;

/*
 * What people look for and sort by, and the index that answers it; of the specification all that it names,
 * then ours. An index that is not here, or not of this form, is one that nothing would miss.
 */
const indexes: [query: string, index: readonly [name: string, method: string, columns: string]][] =
  [
    // The specification's, and the primary keys.
    [`contacts where id = ${some}`, btree("contacts_pkey", "id")],
    [`companies where id = ${some}`, btree("companies_pkey", "id")],
    [`deals where id = ${some}`, btree("deals_pkey", "id")],
    [`tasks where id = ${some}`, btree("tasks_pkey", "id")],
    [`notes where id = ${some}`, btree("notes_pkey", "id")],
    [
      `contacts where company_id = ${some}${newestFirst}`,
      btree("contacts_company_id", "company_id, created_at, id"),
    ],
    ["contacts where emails @> '{a@x.org}'", gin("contacts_emails", "emails")],
    ["contacts order by created_at desc, id desc", btree("contacts_created_at", "created_at, id")],
    ["companies where name = 'Acme'", btree("companies_name", "name")],
    ["companies where address ->> 'city' = 'Bonn'", btree("companies_city", "((address ->> 'city'::text)), created_at, id")],
    ["companies where address ->> 'country' = 'DE'", btree("companies_country", "((address ->> 'country'::text)), created_at, id")],
    ["companies order by name", btree("companies_name", "name")],
    ["companies order by created_at desc, id desc", btree("companies_created_at", "created_at, id")],
    [
      `deals where company_id = ${some}${newestFirst}`,
      btree("deals_company_id", "company_id, created_at, id"),
    ],
    [
      `deals where contact_id = ${some}${newestFirst}`,
      btree("deals_contact_id", "contact_id, created_at, id"),
    ],
    [`deals where stage = 'Won'${newestFirst}`, btree("deals_stage", "stage, created_at, id")],
    ["deals where close_date < '2026-01-01'", btree("deals_close_date", "close_date, id")],
    ["deals order by close_date, id", btree("deals_close_date", "close_date, id")],
    [`tasks where entity_id = ${some}`, btree("tasks_entity_id", "entity_id")],
    [
      "tasks where assigned_to = 'ann' and status = 'open' order by due_date, id",
      btree("tasks_assigned_to", "assigned_to, status, due_date, id"),
    ],
    ["tasks where due_date < '2026-01-01'", btree("tasks_due_date", "due_date, id")],
    ["tasks order by due_date, id", btree("tasks_due_date", "due_date, id")],
    [
      "tasks where status = 'open' order by due_date, id",
      btree("tasks_status", "status, due_date, id"),
    ],
    [`notes where entity_id = ${some}`, btree("notes_entity_id", "entity_id")],
    ["notes order by created_at desc, id desc", btree("notes_created_at", "created_at, id")],
    [
      "custom_field_definitions where entity_type = 'deal'",
      btree("custom_field_definitions_name_unique", "entity_type, name"),
    ],
    [`audit_logs where entity_id = ${some}`, btree("audit_logs_entity_id", "entity_id")],
    ["audit_logs where user_id = 'ann'", btree("audit_logs_user_id", "user_id, id")],
    [`audit_logs where "timestamp" > now()`, btree("audit_logs_pkey", '"timestamp", id')],

    // Ours.
    [
      "contacts order by last_name, first_name",
      btree("contacts_last_name_first_name", "last_name, first_name"),
    ],
    ...["contacts", "companies", "deals"].map((table): (typeof indexes)[number] => [
      `${table} where owner_id = 'ann'${newestFirst}`,
      btree(`${table}_owner_id`, "owner_id, created_at, id"),
    ]),
    [
      "deals where stage = 'Won' order by value desc, id desc",
      btree("deals_stage_value", "stage, value, id"),
    ],
    ["deals order by value desc, id desc", btree("deals_value", "value, id")],
    [
      "deals where closed_at is null order by close_date, id",
      btree("deals_open", "close_date, id) WHERE (closed_at IS NULL"),
    ],
    [
      "deals where closed_at > '2026-01-01'",
      btree("deals_closed_at", "closed_at) WHERE (closed_at IS NOT NULL"),
    ],
    ...[
      ["contacts", "first_name"],
      ["contacts", "last_name"],
      ["companies", "name"],
      ["deals", "title"],
    ].map(([table, column]): (typeof indexes)[number] => [
      `${table} where (lower(${column} collate crm_private.folding) collate "default") like 'ac%'`,
      btree(
        `${table}_${column}_folded`,
        `lower((${column} COLLATE crm_private.folding)) COLLATE "default" text_pattern_ops`,
      ),
    ]),
    ["audit_logs order by id", btree("audit_logs_id", "id")],
    ["tasks order by created_at desc, id desc", btree("tasks_created_at", "created_at, id")],
    ["deals order by created_at desc, id desc", btree("deals_created_at", "created_at, id")],
    ...["contacts", "companies", "deals"].map((table): (typeof indexes)[number] => [
      `${table} where custom_fields @> '{"a": 1}'`,
      gin(`${table}_custom_fields`, "custom_fields jsonb_path_ops"),
    ]),
    ...["contacts", "companies", "deals", "tasks", "notes"].map(
      (table): (typeof indexes)[number] => [
        `${table} where search_document @@ 'acme'::tsquery`,
        gin(`${table}_search_document`, "search_document"),
      ],
    ),
    ...["contacts", "companies"].map((table): (typeof indexes)[number] => [
      `${table} where match_keys && '{name:lc}'`,
      gin(`${table}_match_keys`, "match_keys"),
    ]),
    ...["tasks", "notes"].flatMap((table) =>
      ["contact_id", "company_id", "deal_id"].map((column): (typeof indexes)[number] => [
        `${table} where ${column} = ${some}${newestFirst}`,
        btree(`${table}_${column}`, `${column}, created_at, id`),
      ]),
    ),
  ];

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await connect(database.ownerUrl);
  // Without rows, any index of a table costs the same.
  await client.query(`
    insert into crm.companies (name) select 'company ' || n from generate_series(1, 500) as n;
    insert into crm.contacts (last_name, first_name, company_id, owner_id, emails)
    select 'contact', name, id, name, array[replace(name, ' ', '') || '@example.com'] from crm.companies;
    insert into crm.deals (title, company_id, value, stage) select name, id, 1, case when name like '%7' then 'Won' else 'Proposal' end from crm.companies;
    insert into crm.tasks (description, entity_type, entity_id) select name, 'company', id from crm.companies;
    insert into crm.tasks (description, entity_type, entity_id) select title, 'deal', id from crm.deals;
    insert into crm.tasks (description, entity_type, entity_id) select first_name, 'contact', id from crm.contacts;
    insert into crm.notes (content, entity_type, entity_id)
    select description, entity_type, entity_id from crm.tasks;
    analyze`);
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

test.each(indexes)("crm.%s is answered by an index, for members too", async (query, index) => {
    const [name, method, columns] = index;
    const { rows: found } = await client.query<{ definition: string }>(
      `select pg_get_indexdef(indexrelid) as definition
       from pg_index
       where indexrelid = to_regclass('crm.' || $1) and indisvalid and indisready`,
      [name],
    );
    expect(found[0]?.definition).toContain(`USING ${method} (${columns})`);

    await client.query("begin; set local enable_seqscan = off; set local enable_sort = off");
    await asRole(client, "crm_member", "ann");
    const { rows: plan } = await client.query<{ "QUERY PLAN": unknown }>(
      `explain (format json) select id from crm.${query}`,
    );
    await client.query("rollback");
    // An index of a partition of the audit log is called after the columns that it has.
    const shown = name.startsWith("audit_logs") ? /"Index Name"/ : new RegExp(`"${name}"`);
    expect(JSON.stringify(plan)).toMatch(shown);
    expect(JSON.stringify(plan)).not.toMatch(/"Seq Scan"|"Sort"/);
});

test("the trash, erasure and undo find their entries through indexes of the audit log", () =>
  withRollback(async (client) => {
    const { rows } = await client.query<{ definition: string }>(
      `select regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') as definition
       from pg_index
       where indrelid = 'crm.audit_logs'::regclass and indisvalid`,
    );
    expect(rows.map(({ definition }) => definition).sort()).toEqual([
      "brin (transaction_id, id) WITH (pages_per_range='16', autosummarize='on')",
      `btree ("timestamp") WHERE ((action = 'delete'::text) AND (erased_at IS NULL))`,
      `btree ("timestamp") WHERE ((action = 'update'::text) AND (changes ? 'owner_id'::text))`,
      `btree ("timestamp") WHERE ((entity_type = 'deal'::text) AND ((action <> 'update'::text) OR ` +
        "(changes ?| ARRAY['stage'::text, 'value'::text, 'currency'::text, 'probability'::text, " +
        "'close_date'::text, 'owner_id'::text, 'company_id'::text])))",
      `btree ("timestamp") WHERE (entity_type = 'pipeline_stage'::text)`,
      `btree ("timestamp") WHERE (erased_at IS NOT NULL)`,
      `btree ("timestamp", id)`,
      "btree (crm_private.attached_to(action, changes)) WHERE ((entity_type = ANY " +
        "(ARRAY['task'::text, 'note'::text])) AND (changes ? 'entity_id'::text))",
      "btree (entity_id)",
      "btree (id)",
      "btree (user_id, id)",
    ]);
  }));

test("every index of the product is one of these, or keeps a rule", () =>
  withRollback(async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select class.relname as name
       from pg_index as index
       join pg_class as class on class.oid = index.indexrelid
       where class.relnamespace = 'crm'::regnamespace
         and not index.indisunique
         and index.indrelid <> 'crm.audit_logs'::regclass`,
    );
    const known = new Set(indexes.map(([, [name]]) => name));
    // These are of trigrams, for typing errors and parts of words.
    const words = rows.filter(({ name }) => name.endsWith("_words"));
    expect(words.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        ...["contacts_name_words", "companies_name_words", "deals_name_words"],
        "contacts_email_words",
      ]),
    );
    expect(rows.filter((row) => !known.has(row.name) && !words.includes(row))).toEqual([]);
  }));
