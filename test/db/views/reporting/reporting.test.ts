import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { connect } from "../../../../server/postgres/connect.ts";
import { asRole, createTestDatabase, withRollback } from "../../../helpers/database.ts";
import { refusal } from "../../../helpers/refusal.ts";

/** Two companies, each with its owner. */
const fill = `
  insert into crm.companies (name, owner_id) values ('Acme', 'ann'), ('Bolt', 'bob')`;

type Deal = [
  title: string,
  company: string,
  value: number,
  currency: string,
  stage: string,
  closeDate: string | null,
];

async function addDeals(client: pg.Client, ...deals: Deal[]): Promise<void> {
  for (const deal of deals) {
    await client.query(
      `insert into crm.deals (title, company_id, value, currency, stage, close_date, owner_id)
       select $1, id, $3, $4, $5, $6, owner_id from crm.companies where name = $2`,
      deal,
    );
  }
}

/** The rows of a question, as an analyst gets them. */
async function report(client: pg.Client, text: string): Promise<unknown[]> {
  await asRole(client, "crm_reporter", "rita");
  const { rows } = await client.query<Record<string, unknown>>(text);
  await client.query("reset role");
  return rows;
}

async function views(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relnamespace = 'reporting'::regnamespace order by 1`,
  );
  return rows.map(({ name }) => name);
}

test("an analyst reads every view, and changes none", () =>
  withRollback(async (client) => {
    const names = await views(client);
    expect(names).toHaveLength(31);
    await asRole(client, "crm_reporter", "rita");
    for (const name of names) {
      await client.query(`select * from ${name}`);
      for (const statement of [`delete from ${name}`, `insert into ${name} default values`]) {
        // 55000: PostgreSQL says first that nobody can write to such a view.
        expect(["42501", "55000"]).toContain((await refusal(client, statement)).code);
      }
    }
  }));

test.each(["crm_reader", "crm_member", "crm_admin", "crm_server"] as const)(
  "%s reads none of them",
  (role) =>
    withRollback(async (client) => {
      const names = await views(client);
      await asRole(client, role, "ada");
      for (const name of names) {
        expect(await refusal(client, `select from ${name}`)).toMatchObject({ code: "42501" });
      }
    }),
);

test("the pipeline has every stage, and money of each currency for itself", () =>
  withRollback(async (client) => {
    await client.query(fill);
    await addDeals(
      client,
      ["Engine", "Acme", 1000, "USD", "Proposal", null],
      ["Wheel", "Acme", 10.01, "USD", "Proposal", null],
      ["Lever", "Bolt", 300, "EUR", "Proposal", null],
    );
    await client.query("update crm.deals set probability = 33 where title = 'Wheel'");
    const rows = await report(
      client,
      `select stage, currency, deals::int, value, weighted_value from reporting.pipeline
       where kind = 'open' order by position, currency`,
    );
    const none = { currency: null, deals: 0, value: "0", weighted_value: "0" };
    expect(rows).toEqual([
      { stage: "Prospecting", ...none },
      { stage: "Qualification", ...none },
      { stage: "Proposal", currency: "EUR", deals: 1, value: "300.00", weighted_value: "150.00" },
      { stage: "Proposal", currency: "USD", deals: 2, value: "1010.01", weighted_value: "503.30" },
      { stage: "Negotiation", ...none },
    ]);
  }));

test("the forecast is of open deals, by month, and keeps those without a date", () =>
  withRollback(async (client) => {
    await client.query(fill);
    await addDeals(
      client,
      ["a", "Acme", 100, "USD", "Proposal", "2126-03-01"],
      ["b", "Bolt", 200, "USD", "Proposal", "2126-03-31"],
      ["c", "Acme", 300, "USD", "Proposal", null],
      ["d", "Acme", 400, "USD", "Won", "2126-03-15"],
      ["e", "Acme", 500, "USD", "Lost", "2126-03-15"],
      ["f", "Acme", 600, "USD", "Lost", null],
    );
    expect(
      await report(
        client,
        "select month::text, deals::int, value, weighted_value from reporting.forecast order by month",
      ),
    ).toEqual([
      { month: "2126-03-01", deals: 2, value: "300.00", weighted_value: "150.00" },
      { month: null, deals: 1, value: "300.00", weighted_value: "150.00" },
    ]);
    expect(
      await report(
        client,
        "select deals::int, value, weighted_value from reporting.forecast_in_base where month is not null",
      ),
    ).toEqual([{ deals: 2, value: "300.00", weighted_value: "150.00" }]);
  }));

test("win rates count what closed, by month, owner and company", () =>
  withRollback(async (client) => {
    await client.query(fill);
    await addDeals(
      client,
      ["a", "Acme", 100, "USD", "Won", "2126-01-10"],
      ["b", "Acme", 50, "USD", "Lost", "2126-01-31"],
      ["c", "Acme", 25, "USD", "Lost", null],
      ["d", "Bolt", 10, "USD", "Won", "2126-01-01"],
      ["e", "Bolt", 10, "USD", "Proposal", "2126-01-01"],
    );
    // When they were to close does not matter.
    await client.query("set local session_replication_role = replica");
    await client.query(
      `update crm.deals
       set created_at = timestamptz '2025-12-29 UTC', closed_at = timestamptz '2026-01-10 UTC'
       where stage <> 'Proposal'`,
    );
    await client.query("set local session_replication_role = origin");
    expect(
      await report(
        client,
        `select month::text, owner_id, company, won::int, lost::int, win_rate, won_value, lost_value,
           average_cycle
         from reporting.win_rates order by company`,
      ),
    ).toEqual([
      {
        ...{ month: "2026-01-01", owner_id: "ann", company: "Acme", won: 1, lost: 2 },
        ...{ win_rate: "0.3333", won_value: "100.00", lost_value: "75.00", average_cycle: "12.00" },
      },
      {
        ...{ month: "2026-01-01", owner_id: "bob", company: "Bolt", won: 1, lost: 0 },
        ...{ win_rate: "1.0000", won_value: "10.00", lost_value: "0", average_cycle: "12.00" },
      },
    ]);
  }));

describe("the way of deals through the stages", () => {
  test("is told by its periods and by how many get further", () =>
    withRollback(async (client) => {
      await client.query(fill);
      await addDeals(
        client,
        ["a", "Acme", 1, "USD", "Prospecting", null],
        ["b", "Acme", 1, "USD", "Prospecting", null],
        ["c", "Acme", 1, "USD", "Prospecting", null],
        ["gone", "Acme", 1, "USD", "Prospecting", null],
      );
      await client.query("update crm.deals set stage = 'Proposal' where title in ('a', 'b')");
      await client.query("update crm.deals set stage = 'Won' where title = 'a'");
      await client.query("update crm.deals set stage = 'Lost' where title in ('b', 'c')");
      await client.query("update crm.deals set owner_id = 'cy' where title = 'a'"); // is no move
      await client.query("delete from crm.deals where title = 'gone'");
      expect(
        await report(
          client,
          `select stage, left_at is null as is_there, owner_id, company, days::float
           from reporting.stage_periods where deal = 'a' order by entered_at`,
        ),
      ).toEqual(
        ["Prospecting", "Proposal", "Won"].map((stage) => ({
          ...{ stage, is_there: stage === "Won", owner_id: "cy", company: "Acme", days: 0 },
        })),
      );
      expect(
        await report(
          client,
          `select stage, entered::int, present::int, advanced::int, conversion_rate as rate
           from reporting.stage_conversion order by position`,
        ),
      ).toEqual([
        { stage: "Prospecting", entered: 3, present: 0, advanced: 2, rate: "0.6667" },
        { stage: "Qualification", entered: 0, present: 0, advanced: 0, rate: null },
        { stage: "Proposal", entered: 2, present: 0, advanced: 1, rate: "0.5000" },
        { stage: "Negotiation", entered: 0, present: 0, advanced: 0, rate: null },
        { stage: "Won", entered: 1, present: 1, advanced: 0, rate: null },
        { stage: "Lost", entered: 2, present: 2, advanced: 0, rate: null },
      ]);
    }));
});

test("open tasks are counted by who is to do them and by their age", () =>
  withRollback(async (client) => {
    await client.query(fill);
    await client.query(
      `insert into crm.tasks (description, assigned_to, due_date, status, entity_type, entity_id)
       select description, assigned_to, due_date, status, 'company', id
       from (values
         ('a', 'ann', '2020-01-01'::date, 'open'), ('b', 'ann', '2126-01-01', 'open'),
         ('c', null, null, 'open'), ('d', 'ann', '2020-01-01', 'closed')
       ) as task (description, assigned_to, due_date, status)
       cross join (select id from crm.companies limit 1) as company`,
    );
    await client.query("set local session_replication_role = replica");
    await client.query(
      "update crm.tasks set created_at = now() - interval '31 days' where description = 'b'",
    );
    await client.query("set local session_replication_role = origin");
    expect(
      await report(
        client,
        `select assigned_to, age, tasks::int, overdue::int, first_due::text
         from reporting.open_tasks order by assigned_to, age`,
      ),
    ).toEqual([
      { assigned_to: "ann", age: "up to 7 days", tasks: 1, overdue: 1, first_due: "2020-01-01" },
      { assigned_to: "ann", age: "up to 90 days", tasks: 1, overdue: 0, first_due: "2126-01-01" },
      { assigned_to: null, age: "up to 7 days", tasks: 1, overdue: 0, first_due: null },
    ]);
  }));

test("activity is of what people work on, and not of settings or of what was done to the audit log", () =>
  withRollback(async (client) => {
    await client.query(
      `insert into crm.contacts (first_name, last_name) values ('Ada', 'Lovelace');
       insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('size', 'Size', 'deal', 'number');
       update crm.pipeline_stages set probability = 1 where name = 'Proposal';
       select crm.erase_contact(id) from crm.contacts;`,
    );
    const { rows } = await client.query("select distinct action from crm.audit_logs");
    expect(rows).toContainEqual({ action: "erase" });
    expect(
      await report(client, "select entity_type, created, updated, deleted from reporting.activity"),
    ).toEqual([{ entity_type: "contact", created: "1", updated: "0", deleted: "1" }]);
  }));

test("activity and new contacts are counted", () =>
  withRollback(async (client) => {
    await client.query("set local crm.user_id = 'ann'");
    await client.query(
      `insert into crm.contacts (first_name, last_name, owner_id)
       values ('A', 'A', 'ann'), ('B', 'B', 'ann')`,
    );
    await client.query("update crm.contacts set last_name = 'C'");
    await client.query("delete from crm.contacts where first_name = 'B'");
    expect(
      await report(
        client,
        `select user_id, entity_type, source, created::int, updated::int, deleted::int,
           day = (now() at time zone 'UTC')::date as is_today
         from reporting.activity where entity_type = 'contact'`,
      ),
    ).toEqual([
      {
        ...{ user_id: "ann", entity_type: "contact", source: "sql" },
        ...{ created: 2, updated: 2, deleted: 1, is_today: true },
      },
    ]);
    expect(
      await report(
        client,
        `select owner_id, contacts::int, with_company::int,
           extract(isodow from week)::int as weekday
         from reporting.new_contacts`,
      ),
    ).toEqual([{ owner_id: "ann", contacts: 1, with_company: 0, weekday: 1 }]);
  }));

test("data quality lists what is missing or was forgotten, until somebody sees to it", () =>
  withRollback(async (client) => {
    await client.query(fill);
    await client.query(
      `insert into crm.contacts (first_name, last_name, emails)
       values ('New', 'N', '{n@x.org}'), ('Old', 'O', '{o@x.org}'), ('Noted', 'N', '{p@x.org}'),
         ('Blank', 'B', '{}')`,
    );
    await addDeals(
      client,
      ["dateless", "Acme", 1, "USD", "Proposal", null],
      ["late", "Acme", 1, "USD", "Proposal", "2020-01-01"],
      ["won", "Acme", 1, "USD", "Won", "2020-01-01"],
    );
    await client.query("set local session_replication_role = replica");
    await client.query(
      `update crm.contacts set updated_at = now() - interval '91 days'
       where first_name in ('Old', 'Noted')`,
    );
    await client.query("set local session_replication_role = origin");
    await client.query(
      `insert into crm.notes (content, entity_type, entity_id)
       select 'Met', 'contact', id from crm.contacts where first_name = 'Noted'`,
    );
    await client.query(
      `insert into crm.tasks (description, due_date, assigned_to, entity_type, entity_id)
       select 'call', '2020-01-01', 'ann', 'contact', id from crm.contacts where first_name = 'New'`,
    );
    const question =
      "select problem, label, owner_id from reporting.data_quality order by problem, label";
    expect(await report(client, question)).toEqual([
      { problem: "contact without activity in 90 days", label: "Old O", owner_id: null },
      { problem: "contact without an email address", label: "Blank B", owner_id: null },
      { problem: "open deal past its close date", label: "late", owner_id: "ann" },
      { problem: "open deal without a close date", label: "dateless", owner_id: "ann" },
      { problem: "open task past its due date", label: "call", owner_id: "ann" },
    ]);
  }));

describe("custom fields are columns of reports", () => {
  const define = (client: pg.Client, name: string, fieldType: string, entityType = "deal") =>
    client.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
       values ($1, 'The ' || $1, $3, $2, case when $2 = 'enum' then array['a', 'b'] end)`,
      [name, fieldType, entityType],
    );

  async function columns(client: pg.Client, view = "reporting.deals"): Promise<string[][]> {
    const { rows } = await client.query<{ row: string[] }>(
      `select json_build_array(attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)) as row
       from pg_attribute
       where attrelid = $1::regclass and attname like 'custom%' order by attnum`,
      [view],
    );
    return rows.map(({ row }) => row);
  }

  test("of the field's type, from the moment that it is defined", () =>
    withRollback(async (client) => {
      await client.query(fill);
      await addDeals(client, ["Engine", "Acme", 1, "USD", "Won", null]);
      await define(client, "text", "text");
      await define(client, "number", "number");
      await define(client, "day", "date");
      await define(client, "kind", "enum");
      await define(client, "isNew", "boolean");
      await client.query(
        `update crm.deals set custom_fields =
           '{"text": "x", "number": 0.1000000000000000000001, "day": "2024-02-29", "kind": "a", "isNew": false}'`,
      );
      expect(await columns(client)).toEqual([
        ["custom_text", "text", "The text"],
        ["custom_number", "numeric", "The number"],
        ["custom_day", "date", "The day"],
        ["custom_kind", "text", "The kind"],
        ["custom_isNew", "boolean", "The isNew"],
      ]);
      expect(
        await report(
          client,
          `select custom_text, custom_number, custom_day::text, custom_kind, "custom_isNew", company
           from reporting.deals`,
        ),
      ).toEqual([
        {
          ...{ custom_text: "x", custom_number: "0.1000000000000000000001" },
          ...{ custom_day: "2024-02-29", custom_kind: "a", custom_isNew: false, company: "Acme" },
        },
      ]);
    }));

  test("until it is deleted or gets another type; those of the others stay where they are", () =>
    withRollback(async (client) => {
      for (const name of ["c", "a", "b"]) await define(client, name, "text");
      await client.query("delete from crm.custom_field_definitions where name = 'a'");
      await client.query(
        "update crm.custom_field_definitions set field_type = 'number', label = 'B' where name = 'b'",
      );
      expect(await columns(client)).toEqual([
        ["custom_c", "text", "The c"],
        ["custom_b", "numeric", "B"],
      ]);
      expect(await report(client, "select custom_b from reporting.deals")).toEqual([]);
    }));

  test("and never take the name of another", () =>
    withRollback(async (client) => {
      const long = "x".repeat(99);
      for (const name of ["company", "id", `${long}a`, `${long}b`]) {
        await define(client, name, "text");
      }
      const names = (await columns(client)).map(([name]) => name);
      expect(new Set(names).size).toBe(4);
      expect(names).toEqual(expect.arrayContaining(["custom_company", "custom_id"]));
      expect(Math.max(...names.map((name) => name?.length ?? 0))).toBeLessThanOrEqual(63);
    }));

  test("what somebody's view reads is not dropped behind their back", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await client.query(
        "create view public.mine as select custom_size from reporting.deals where title > 'a'",
      );
      await define(client, "colour", "text"); // comes last
      expect(
        await refusal(client, "delete from crm.custom_field_definitions where name = 'size'"),
      ).toMatchObject({
        code: "23514",
        constraint: "custom_field_definitions_report_used",
        fields: {
          name: ["is column custom_size of reporting.deals, which is read by public.mine"],
        },
      });
      expect(
        await refusal(
          client,
          "update crm.custom_field_definitions set field_type = 'text' where name = 'size'",
        ),
      ).toMatchObject({
        constraint: "custom_field_definitions_report_used",
        fields: { fieldType: [expect.stringContaining("public.mine")] },
      });
      expect(await client.query("select custom_size from public.mine")).toMatchObject({ rows: [] });
    }));

  test("a value that was loaded with the rules off is null where it is not of the type", () =>
    withRollback(async (client) => {
      await client.query(fill);
      await define(client, "size", "number", "company");
      await define(client, "day", "date", "company");
      await client.query(
        `alter table crm.companies disable trigger user;
         update crm.companies set custom_fields = '{"size": "large", "day": "2023-02-29"}'`,
      );
      expect(
        await report(client, "select distinct custom_size, custom_day from reporting.companies"),
      ).toEqual([{ custom_size: null, custom_day: null }]);
    }));

  test("whoever reads a report for long is not waited for", async () => {
    const database = await createTestDatabase();
    const [reader, writer] = await Promise.all([
      connect(database.ownerUrl),
      connect(database.ownerUrl),
    ]);
    await reader.query("begin; select count(*) from reporting.deals");
    await writer.query("begin");
    expect(
      await refusal(
        writer,
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('size', 'Size', 'deal', 'number')`,
      ),
    ).toMatchObject({ code: "55P03" });
    await Promise.all([reader.end(), writer.end()]);
    await database.drop();
  });
});

test("tasks and notes say what they are about", () =>
  withRollback(async (client) => {
    await client.query(fill);
    await client.query(
      `insert into crm.tasks (description, entity_type, entity_id)
       select 'Call', 'company', id from crm.companies where name = 'Acme';
       insert into crm.contacts (first_name, last_name) values ('Ada', 'Lovelace');
       insert into crm.notes (content, entity_type, entity_id)
       select 'Met', 'contact', id from crm.contacts`,
    );
    expect(await report(client, "select description, entity from reporting.tasks")).toEqual([
      { description: "Call", entity: "Acme" },
    ]);
    expect(await report(client, "select content, entity from reporting.notes")).toEqual([
      { content: "Met", entity: "Ada Lovelace" },
    ]);
  }));
