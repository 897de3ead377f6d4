import { expect, test } from "@jest/globals";
import type pg from "pg";

import { asRole, withRollback } from "../../../helpers/database.ts";

/** The rows of a question, as an analyst gets them. */
async function report(client: pg.Client, text: string): Promise<unknown[]> {
  await asRole(client, "crm_reporter", "rita");
  const { rows } = await client.query<Record<string, unknown>>(text);
  await client.query("reset role");
  return rows;
}

async function fill(client: pg.Client): Promise<void> {
  await client.query(
    `insert into crm.exchange_rates (currency, valid_from, rate) values ('EUR', '2020-01-01', 2);
     insert into crm.companies (name, owner_id) values ('Acme', 'ann');
     insert into crm.contacts (first_name, last_name, owner_id) values ('Ada', 'Byron', 'ann');
     insert into crm.deals (title, company_id, value, stage, close_date, owner_id)
     select 'Engine', id, 100, 'Proposal', '2026-03-31', 'ann' from crm.companies`,
  );
}

test("a change of a value is told in the currency of then, and in the base currency", () =>
  withRollback(async (client) => {
    await fill(client);
    await client.query(
      `update crm.deals set value = 150;
       update crm.deals set currency = 'EUR';
       update crm.deals set value = 70, currency = 'GBP';
       update crm.deals set title = 'Engine 2';
       update crm.deals set value = 60`,
    );
    expect(
      await report(
        client,
        `select old_value, old_currency, new_value, new_currency, change, change_in_base
         from reporting.value_changes order by changed_at`,
      ),
    ).toEqual(
      [
        ["100.00", "USD", "150.00", "USD", "50.00", "50.00"],
        ["150.00", "USD", "150.00", "EUR", null, "150.00"],
        ["150.00", "EUR", "70.00", "GBP", null, null],
        ["70.00", "GBP", "60.00", "GBP", "-10.00", null],
      ].map(([old_value, old_currency, new_value, new_currency, change, change_in_base]) => ({
        ...{ old_value, old_currency, new_value, new_currency, change, change_in_base },
      })),
    );
  }));

test("close dates that slip, and what changes hands, are told", () =>
  withRollback(async (client) => {
    await fill(client);
    await client.query(
      `update crm.deals set close_date = '2026-04-10';
       update crm.deals set close_date = null, owner_id = 'bob';
       update crm.contacts set owner_id = null;
       update crm.companies set owner_id = 'cy'`,
    );
    expect(
      await report(
        client,
        `select old_date::text, new_date::text, days
         from reporting.close_date_changes order by changed_at`,
      ),
    ).toEqual([
      { old_date: "2026-03-31", new_date: "2026-04-10", days: 10 },
      { old_date: "2026-04-10", new_date: null, days: null },
    ]);
    expect(
      await report(
        client,
        `select entity_type, label, old_owner, new_owner from reporting.owner_changes order by 1`,
      ),
    ).toEqual([
      { entity_type: "company", label: "Acme", old_owner: "ann", new_owner: "cy" },
      { entity_type: "contact", label: "Ada Byron", old_owner: "ann", new_owner: null },
      { entity_type: "deal", label: "Engine", old_owner: "ann", new_owner: "bob" },
    ]);
  }));

test("moves go forward and back, are won, lost and reopened, and a renamed stage is no move", () =>
  withRollback(async (client) => {
    await fill(client);
    for (const stage of ["Negotiation", "Qualification", "Lost", "Proposal", "Won"]) {
      await client.query("update crm.deals set stage = $1", [stage]);
    }
    await client.query("update crm.pipeline_stages set name = 'Gained' where name = 'Won'");
    expect(
      await report(
        client,
        "select from_stage, to_stage, direction from reporting.stage_moves order by moved_at",
      ),
    ).toEqual([
      { from_stage: "Proposal", to_stage: "Negotiation", direction: "forward" },
      { from_stage: "Negotiation", to_stage: "Qualification", direction: "back" },
      { from_stage: "Qualification", to_stage: "Lost", direction: "lost" },
      { from_stage: "Lost", to_stage: "Proposal", direction: "reopened" },
      { from_stage: "Proposal", to_stage: "Gained", direction: "won" },
    ]);
  }));

test("the last audit log entries, and a week of activity, are found through indexes", () =>
  withRollback(async (client) => {
    await client.query(
      `insert into crm.audit_logs
         (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
       select 'contact', gen_random_uuid(), 'create', 'ada', '{}', now() - interval '1 minute' * i, 1, 'sql'
       from generate_series(1, 20000) as i;
       analyze crm.audit_logs`,
    );
    const plan = async (text: string) => {
      const { rows } = await client.query<{ "QUERY PLAN": string }>(`explain ${text}`);
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    };
    await asRole(client, "crm_member", "ann");
    const last = await plan("select * from crm.audit_logs order by id desc limit 50");
    expect(last).toMatch(/Index Scan Backward using \S*_id_idx/);
    expect(last).not.toMatch(/Seq Scan|Sort \(/);
    await asRole(client, "crm_reporter", "rita");
    const { rows } = await client.query<{ "QUERY PLAN": string }>(
      `explain (analyze, timing off, summary off, costs off)
       select sum(created) from reporting.activity where day >= current_date - 1`,
    );
    const read = rows.map((row) => row["QUERY PLAN"]).join("\n");
    expect(read).toMatch(/generate_series/);
    const rowsRead = [...read.matchAll(/audit_logs_\d{4}_\d{2} \S*.*?rows=([\d.]+) loops=(\d+)/g)]
      .map(([, count, loops]) => Number(count) * Number(loops))
      .reduce((sum, count) => sum + count, 0);
    expect(rowsRead).toBeLessThan(10_000); // of 20,000
  }));
