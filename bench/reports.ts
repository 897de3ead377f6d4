/**
 * Measures each report over 1,000,000 deals with two stages each, relative to the count of all deals. Each
 * report is read completely, with the rights of an analyst.
 */
import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";

const deals = 1_000_000;
const rounds = 3;

/**
 * Deals, half of them in a currency that has a rate for each day, with their audit log entries; a tenth as
 * many contacts; and a task for each company.
 */
const fill = `
  set session_replication_role = replica;

  insert into crm.exchange_rates (currency, valid_from, rate)
  select 'EUR', date '2023-01-01' + i, 1.1 + (i % 10) * 0.01 from generate_series(0, 1500) as i;

  insert into crm.companies (name, owner_id)
  select 'Company ' || i, 'user' || i % 50 from generate_series(1, 10000) as i;

  create temporary table numbered as
    select id, row_number() over () - 1 as n from crm.companies;
  create index on numbered (n);
  analyze numbered;

  insert into crm.contacts (first_name, last_name, emails, company_id, owner_id)
  select 'First ' || i, 'Last ' || i, case when i % 10 > 0 then array['u' || i || '@example.com'] else '{}' end,
    company.id, 'user' || i % 50
  from generate_series(1, ${deals / 10}) as i
  join numbered as company on company.n = i % 10000;

  insert into crm.deals
    (title, company_id, value, currency, stage, probability, close_date, owner_id, created_at)
  select
    'Deal ' || i, company.id, i % 10000 + 0.50, (array['USD', 'EUR'])[1 + i % 2],
    (array['Prospecting', 'Proposal', 'Won', 'Lost'])[1 + i % 4], i % 100,
    date '2024-01-01' + i % 1000, 'user' || i % 50, now() - interval '1 minute' * (i % 500000)
  from generate_series(1, ${deals}) as i
  join numbered as company on company.n = i % 10000;

  insert into crm.tasks (description, due_date, assigned_to, entity_type, entity_id)
  select 'Call', date '2026-01-01' + (n % 500)::integer, 'user' || n % 50, 'company', id from numbered;

  insert into crm.audit_logs
    (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
  select 'deal', id, 'create', owner_id, '{"stage": "Prospecting"}', created_at, 1, 'api'
  from crm.deals
  union all
  select 'deal', id, 'update', owner_id,
    jsonb_build_object('stage', jsonb_build_object('old', 'Prospecting', 'new', stage)),
    created_at + interval '3 days', 2, 'api'
  from crm.deals
  where stage <> 'Prospecting';

  reset session_replication_role;`;

await withBenchDatabase(async (client) => {
  await client.query(fill);
  await client.query("vacuum analyze");
  const { rows: views } = await client.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relnamespace = 'reporting'::regnamespace order by 1`,
  );
  const time = async (text: string) => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      times.push(await milliseconds(() => client.query(text)));
    }
    return median(times);
  };
  const usual = {
    name: "the number of deals",
    milliseconds: await time("select count(*) from crm.deals"),
  };
  await client.query("set role crm_reporter");
  const measured = [];
  for (const { name } of views) {
    const text = `select count(report) from ${name} as report`;
    measured.push({ name, milliseconds: await time(text) });
  }
  printRatio(`Reports over ${deals} deals`, [usual, ...measured]);
});
