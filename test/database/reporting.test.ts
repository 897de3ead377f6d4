import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { asRole, withRollback } from "../helpers/database.ts";
import { refusal } from "../helpers/refusal.ts";

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
    expect(names).toHaveLength(9);
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
    );
    expect(
      await report(
        client,
        "select month::text, deals::int, value from reporting.forecast order by month",
      ),
    ).toEqual([
      { month: "2126-03-01", deals: 2, value: "300.00" },
      { month: null, deals: 1, value: "300.00" },
    ]);
  }));

test("win rates count what closed, by month, owner and company", () =>
  withRollback(async (client) => {
    await client.query(fill);
    await addDeals(
      client,
      ["a", "Acme", 100, "USD", "Won", "2126-01-10"],
      ["b", "Acme", 50, "USD", "Lost", "2126-01-31"],
      ["c", "Acme", 25, "USD", "Lost", "2126-01-01"],
      ["d", "Bolt", 10, "USD", "Won", "2126-01-01"],
      ["e", "Bolt", 10, "USD", "Proposal", "2126-01-01"],
    );
    await client.query("set local session_replication_role = replica");
    await client.query(
      "update crm.deals set created_at = close_date::timestamp at time zone 'UTC' - interval '12 days'",
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
        ...{ month: "2126-01-01", owner_id: "ann", company: "Acme", won: 1, lost: 2 },
        ...{ win_rate: "0.3333", won_value: "100.00", lost_value: "75.00", average_cycle: "12.00" },
      },
      {
        ...{ month: "2126-01-01", owner_id: "bob", company: "Bolt", won: 1, lost: 0 },
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
