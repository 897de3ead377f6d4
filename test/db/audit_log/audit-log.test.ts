import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

import { withConnection } from "../../../server/postgres/connect.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  withRollback,
} from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

interface Entry {
  entity_type: string;
  action: string;
  user_id: string;
  source: string;
  changes: Record<string, unknown>;
}

/** The entries that this transaction has written, in order. */
async function entries(client: pg.Client): Promise<Entry[]> {
  const { rows } = await client.query<Entry>(
    `select entity_type, action, user_id, source, changes from crm.audit_logs
     where transaction_id = pg_current_xact_id()::text::bigint order by id`,
  );
  return rows;
}

/** One row of every entity and a definition; gives the id of the company that all hang on. */
async function createOneOfEach(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `with company as (
       insert into crm.companies (name) values ('Acme') returning id
     )
     select id from company`,
  );
  const id = rows[0]?.id;
  await client.query(
    "insert into crm.contacts (first_name, last_name, company_id) values ('Ada', 'L', $1)",
    [id],
  );
  await client.query(
    `insert into crm.deals (title, company_id, contact_id, value, stage)
     select 'Engine', $1, id, 5, 'Won' from crm.contacts where company_id = $1`,
    [id],
  );
  await client.query(
    `insert into crm.tasks (description, entity_type, entity_id)
     select 'Call', 'deal', id from crm.deals where company_id = $1`,
    [id],
  );
  await client.query(
    "insert into crm.notes (content, entity_type, entity_id) values ('Hm', 'company', $1)",
    [id],
  );
  await client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     values ('audit_log_test', 'Test', 'contact', 'text')`,
  );
  return id ?? "";
}

const actions = (rows: Entry[]): string[] => rows.map((row) => `${row.action} ${row.entity_type}`);

test("every created row of every entity has an entry with its values", () =>
  withRollback(async (client) => {
    await createOneOfEach(client);
    const rows = await entries(client);
    expect(actions(rows)).toEqual([
      "create company",
      "create contact",
      "create deal",
      "create task",
      "create note",
      "create custom_field_definition",
    ]);
    expect(rows[0]).toEqual({
      entity_type: "company",
      action: "create",
      user_id: "db:postgres",
      source: "sql",
      changes: { name: "Acme", address: null, owner_id: null, custom_fields: {}, external_ids: [] },
    });
  }));

test("an update has the old and the new value of what changed, custom fields one by one", () =>
  withRollback(async (client) => {
    await createOneOfEach(client);
    await client.query('update crm.contacts set custom_fields = \'{"audit_log_test": "a"}\'');
    await client.query(
      `update crm.contacts
       set last_name = 'Lovelace', emails = '{ada@example.com}', first_name = first_name,
         custom_fields = '{"audit_log_test": "b"}'`,
    );
    await client.query("update crm.contacts set custom_fields = '{}'");
    const updates = (await entries(client)).filter(({ action }) => action === "update");
    expect(updates.map(({ changes }) => changes)).toEqual([
      { "custom_fields.audit_log_test": { old: null, new: "a" } },
      {
        last_name: { old: "L", new: "Lovelace" },
        emails: { old: [], new: ["ada@example.com"] },
        "custom_fields.audit_log_test": { old: "a", new: "b" },
      },
      { "custom_fields.audit_log_test": { old: "b", new: null } },
    ]);
  }));

/** What the log calls the rows of a table. */
const tableTypes: Record<string, string> = {
  companies: "company",
  contacts: "contact",
  deals: "deal",
  tasks: "task",
  notes: "note",
  pipeline_stages: "pipeline_stage",
  custom_field_definitions: "custom_field_definition",
  exchange_rates: "exchange_rate",
  api_keys: "api_key",
};

/** Columns that follow from others. */
const setByTriggers: Record<string, readonly string[]> = {
  deals: ["closed_at", "probability_given"],
};

/** Two values of every column that can be written: a row is created with the first of each. */
const samples: Record<string, Record<string, readonly [unknown, unknown]>> = {
  companies: {
    name: ["Acme", "Acme 2"],
    address: ['{"city": "Bonn"}', '{"city": "Köln"}'],
    owner_id: ["ann", "bob"],
    custom_fields: ["{}", "{}"],
    external_ids: ['{"(a,1)"}', '{"(a,2)"}'],
  },
  contacts: {
    first_name: ["Ada", "Ida"],
    last_name: ["L", "Lovelace"],
    emails: ["{a@example.com}", "{}"],
    phones: ["{1}", "{2,3}"],
    company_id: [null, { companies: "name" }],
    owner_id: ["ann", null],
    custom_fields: ['{"audit_log_test": "a"}', '{"audit_log_test": "b"}'],
    external_ids: ["{}", '{"(a,1)"}'],
  },
  deals: {
    title: ["Engine", "Analytical engine"],
    company_id: [{ companies: "name" }, { companies: "name" }],
    contact_id: [null, { contacts: "last_name" }],
    value: ["5", "1234567890123.45"],
    currency: ["USD", "EUR"],
    stage: ["Proposal", "Won"],
    probability: [50, 60],
    close_date: [null, "2026-02-28"],
    lost_reason: [null, "Price"],
    owner_id: [null, "ann"],
    custom_fields: ["{}", "{}"],
    external_ids: ["{}", '{"(a,1)"}'],
  },
  tasks: {
    description: ["Call", "Write"],
    due_date: ["2026-02-28", null],
    assigned_to: [null, "ann"],
    status: ["open", "closed"],
    entity_type: ["company", "company"],
    entity_id: [{ companies: "name" }, { companies: "name" }],
    external_ids: ["{}", '{"(a,1)"}'],
  },
  notes: {
    content: ["Hm", "Aha"],
    entity_type: ["company", "company"],
    entity_id: [{ companies: "name" }, { companies: "name" }],
    external_ids: ["{}", '{"(a,1)"}'],
  },
  pipeline_stages: {
    name: ["Stalled", "Sleeping"],
    position: [90, 91],
    probability: [5, 6],
    kind: ["open", "lost"],
  },
  custom_field_definitions: {
    name: ["audit_log_sample", "audit_log_renamed"],
    label: ["Sample", "Other"],
    entity_type: ["contact", "contact"],
    field_type: ["text", "text"],
    enum_values: [null, null],
    required: [false, false],
    description: [null, "What it is"],
    minimum: [null, null],
    maximum: [null, null],
    max_length: [null, 10],
    pattern: [null, "^a"],
    default_value: [null, '"a"'],
    is_unique: [false, false],
  },
  exchange_rates: {
    currency: ["EUR", "CHF"],
    valid_from: ["2026-01-01", "2026-01-02"],
    rate: ["1.1", "1.234567890123"],
  },
  api_keys: {
    name: ["audit-log-test", "audit-log-test-2"],
    role: ["reader", "admin"],
    prefix: ["pgcrm_a", "pgcrm_b"],
    expires_at: [null, "2100-01-01T00:00:00Z"],
    last_used_at: [null, null],
    revoked_at: [null, "2026-01-01T00:00:00Z"],
  },
};

describe("of every table, each column is in the audit log with its old and new value", () => {
  test("and every table that has an audit log, and each of its columns, is tried", () =>
    withRollback(async (client) => {
      const { rows } = await client.query<{ name: string; columns: string[] }>(
        `select relname::text as name, array_agg(attname::text order by attname) as columns
         from pg_trigger
         join pg_class as class on class.oid = tgrelid
         join pg_attribute on attrelid = class.oid and attnum > 0 and not attisdropped
         where tgname = '_900_audit_log_update'
           and attgenerated = ''
           and attname <> all (crm_private.derived_columns())
           and attname <> all (
             '{id,version,created_at,updated_at,created_by,updated_by}'::name[]
           )
         group by relname`,
      );
      expect(Object.fromEntries(rows.map(({ name, columns }) => [name, columns]))).toEqual(
        Object.fromEntries(
          Object.entries(samples).map(([name, columns]) => [
            name,
            [...Object.keys(columns), ...(setByTriggers[name] ?? [])].sort(),
          ]),
        ),
      );
    }));

  test.each(Object.keys(samples))("%s", (table) =>
    withRollback(async (client) => {
      const sample = samples[table] ?? {};
      const columns = Object.keys(sample);
      await createOneOfEach(client);
      const valueOf = async (value: unknown) => {
        if (value === null || typeof value !== "object") return value;
        const [[from, order] = ["", ""]] = Object.entries(value as Record<string, string>);
        const { rows } = await client.query<{ id: string }>(
          `select id from crm.${from} order by ${order} limit 1`,
        );
        return rows[0]?.id;
      };
      const values = async (which: 0 | 1) =>
        Promise.all(columns.map((column) => valueOf(sample[column]?.[which])));
      const last = async () => {
        const rows = await entries(client);
        return rows.findLast(({ entity_type }) => entity_type === tableTypes[table]);
      };
      const row = async () =>
        (
          await client.query<{ row: Record<string, unknown> }>(
            `select to_jsonb(record) as row from crm.${table} as record where id = $1`,
            [id],
          )
        ).rows[0]?.row ?? {};

      const created = await client.query<{ id: string }>(
        `insert into crm.${table} (${columns.join(", ")})
         values (${columns.map((_, i) => `$${i + 1}`).join(", ")}) returning id`,
        await values(0),
      );
      const id = created.rows[0]?.id;
      const told = [...columns, ...(setByTriggers[table] ?? [])];
      const only = (record: Record<string, unknown>) =>
        Object.fromEntries(told.map((column) => [column, record[column]]));
      expect((await last())?.changes).toEqual(only(await row()));

      for (const [i, column] of columns.entries()) {
        const [first, second] = sample[column] ?? [];
        if (JSON.stringify(first) === JSON.stringify(second)) continue;
        const before = await row();
        const value = (await values(1))[i];
        await client.query(`update crm.${table} set ${column} = $1 where id = $2`, [value, id]);
        const after = await row();
        const changed = told.filter(
          (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
        );
        expect(changed).toContain(column);
        expect((await last())?.changes).toEqual(
          Object.fromEntries(
            changed.flatMap((name) =>
              name === "custom_fields"
                ? [["custom_fields.audit_log_test", { old: "a", new: "b" }]]
                : [[name, { old: before[name], new: after[name] }]],
            ),
          ),
        );
      }

      const whole = await row();
      await client.query(`delete from crm.${table} where id = $1`, [id]);
      const deleted = await last();
      expect(deleted?.action).toBe("delete");
      expect(deleted?.changes).toMatchObject(only(whole));
    }),
  );
});

test("an update that changes nothing has no entry", () =>
  withRollback(async (client) => {
    await createOneOfEach(client);
    const before = await entries(client);
    for (const table of ["companies", "contacts", "deals", "tasks", "notes", "pipeline_stages"]) {
      await client.query(`update crm.${table} set version = version`);
    }
    expect(await entries(client)).toEqual(before);
  }));

test("a delete and all its cascades are logged, with the whole old rows and severed links", () =>
  withRollback(async (client) => {
    const id = await createOneOfEach(client);
    const { rows: companies } = await client.query(
      "select to_jsonb(companies) - '{search_document,match_keys}'::text[] as row from crm.companies where id = $1",
      [id],
    );
    const before = await entries(client);
    await client.query("delete from crm.companies where id = $1", [id]);
    const rows = (await entries(client)).slice(before.length);
    expect(actions(rows).sort()).toEqual([
      "delete company",
      "delete deal",
      "delete note",
      "delete task",
      "update contact",
    ]);
    expect(rows.find(({ entity_type }) => entity_type === "company")?.changes).toEqual(
      (companies[0] as { row: unknown }).row,
    );
    expect(rows.find(({ entity_type }) => entity_type === "contact")?.changes).toEqual({
      company_id: { old: id, new: null },
    });
  }));

test("a deleted definition's values are removed, as updates by who deleted it", () =>
  withRollback(async (client) => {
    await createOneOfEach(client);
    await client.query('update crm.contacts set custom_fields = \'{"audit_log_test": "a"}\'');
    await asRole(client, "crm_admin", "ada");
    const before = await entries(client);
    await client.query("delete from crm.custom_field_definitions where name = 'audit_log_test'");
    const rows = (await entries(client)).slice(before.length);
    expect(rows.map(({ entity_type, action, user_id }) => [entity_type, action, user_id])).toEqual([
      ["contact", "update", "ada"],
      ["custom_field_definition", "delete", "ada"],
    ]);
    expect(rows[0]?.changes).toEqual({ "custom_fields.audit_log_test": { old: "a", new: null } });
  }));

test("a statement that writes many rows has an entry for each, one that fails has none", () =>
  withRollback(async (client) => {
    await client.query(
      "insert into crm.companies (name) select 'C' || i from generate_series(1, 1000) as i",
    );
    await refusal(
      client,
      "insert into crm.companies (name) select nullif('C' || i, 'C999') from generate_series(1, 1000) as i",
    );
    await client.query(
      `insert into crm.companies (id, name)
       select id, 'again' from crm.companies
       on conflict (id) do update set name = 'again'`,
    );
    const rows = await entries(client);
    expect(rows.filter(({ action }) => action === "create")).toHaveLength(1000);
    expect(rows.filter(({ action }) => action === "update")).toHaveLength(1000);
    expect(rows).toHaveLength(2000);
  }));

test("COPY is logged", () =>
  withRollback(async (client) => {
    const stream = client.query(copyFrom("copy crm.companies (name) from stdin"));
    stream.end("Acme\nBolt\n");
    await new Promise((resolve, reject) => stream.on("finish", resolve).on("error", reject));
    expect((await entries(client)).map(({ changes }) => changes.name)).toEqual(["Acme", "Bolt"]);
  }));

test("the entry's time is that of the row", () =>
  withRollback(async (client) => {
    await createOneOfEach(client);
    await client.query("update crm.companies set name = 'B'");
    const { rows } = await client.query(
      `select company.created_at = min(log."timestamp") as created,
         company.updated_at = max(log."timestamp") as updated
       from crm.companies as company
       join crm.audit_logs as log on log.entity_id = company.id
       group by company.id`,
    );
    expect(rows).toEqual([{ created: true, updated: true }]);
  }));

describe("who did it", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test("is whom the server names, through the api or an import", () =>
    withConnection(database.serverUrl, async (client) => {
      await client.query("begin");
      await asRole(client, "crm_member", "ada");
      await client.query("insert into crm.companies (name) values ('A')");
      await client.query("set local crm.source = 'api'");
      await client.query("insert into crm.companies (name) values ('B')");
      await client.query("set local crm.source = 'import'");
      await client.query("insert into crm.companies (name) values ('C')");
      await client.query("set local crm.source = 'telepathy'");
      await client.query("insert into crm.companies (name) values ('D')");
      const rows = await entries(client);
      await client.query("rollback");
      expect(rows.map(({ user_id, source }) => [user_id, source])).toEqual([
        ["ada", "sql"],
        ["ada", "api"],
        ["ada", "import"],
        ["ada", "sql"],
      ]);
    }));

  test("is the login role of anyone else, whatever they set", async () => {
    await withConnection(database.ownerUrl, (owner) =>
      owner.query("create role audit_log_mallory login password 'secret' in role crm_member"),
    );
    try {
      const url = new URL(database.ownerUrl);
      url.username = "audit_log_mallory";
      url.password = "secret";
      await withConnection(url.href, async (client) => {
        await client.query("set crm.user_id = 'ada'; set crm.source = 'api'");
        const { rows } = await client.query(
          "insert into crm.companies (name) values ('A') returning created_by, updated_by",
        );
        expect(rows).toEqual([
          { created_by: "db:audit_log_mallory", updated_by: "db:audit_log_mallory" },
        ]);
        const { rows: logs } = await client.query(
          "select user_id, source from crm.audit_logs where entity_type = 'company'",
        );
        expect(logs).toEqual([{ user_id: "db:audit_log_mallory", source: "sql" }]);
      });
    } finally {
      await withConnection(database.ownerUrl, (owner) => owner.query("drop role audit_log_mallory"));
    }
  });
});

describe("the audit log is append-only", () => {
  test.each(["crm_reader", "crm_member", "crm_admin", "crm_server", "crm_reporter"] as const)(
    "%s can neither write nor change nor empty it",
    (role) =>
      withRollback(async (client) => {
        await createOneOfEach(client);
        await asRole(client, role, "mallory");
        for (const statement of [
          "update crm.audit_logs set user_id = 'ada'",
          "delete from crm.audit_logs",
          "truncate crm.audit_logs",
          `insert into crm.audit_logs
             (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
           values ('deal', gen_random_uuid(), 'create', 'ada', '{}', now(), 1, 'api')`,
          "alter table crm.contacts disable trigger user",
          "set local session_replication_role = 'replica'",
          "select crm_private.ensure_audit_partitions()",
          "select * from crm_private.audit_logs_other",
        ]) {
          expect(await refusal(client, statement)).toMatchObject({ code: "42501" });
        }
      }),
  );
});

describe("partitions", () => {
  test("stand for this month and the twelve after it, each with row-level security", () =>
    withRollback(async (client) => {
      const { rows } = await client.query(
        `select count(*)::int, bool_and(relrowsecurity) as secured
         from pg_inherits join pg_class on pg_class.oid = inhrelid
         where inhparent = 'crm.audit_logs'::regclass
           and pg_get_expr(relpartbound, pg_class.oid) like 'FOR VALUES%'`,
      );
      expect(rows).toEqual([{ count: 13, secured: true }]);
    }));

  test("are made anew where one is missing, and take in what came meanwhile", () =>
    withRollback(async (client) => {
      const { rows } = await client.query<{ name: string }>(
        "select 'crm_private.audit_logs_' || to_char(now() at time zone 'UTC', 'YYYY_MM') as name",
      );
      const partition = rows[0]?.name ?? "";
      await client.query(`drop table ${partition}`);
      await client.query("insert into crm.companies (name) values ('A')");
      const count = async (table: string): Promise<unknown> =>
        (await client.query(`select count(*)::int from ${table}`)).rows[0];
      expect(await count("crm_private.audit_logs_other")).toEqual({ count: 1 });
      await client.query("select crm_private.ensure_audit_partitions()");
      expect(await count("crm_private.audit_logs_other")).toEqual({ count: 0 });
      expect(await count(partition)).toEqual({ count: 1 });
    }));
});
