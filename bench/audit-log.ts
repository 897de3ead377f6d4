/**
 * Measures the audit log at scale. First the history of one entity, and its plan, with 10 thousand, a
 * million and 10 million entries in monthly partitions over a year. With the million, also the cost of
 * sealing and verifying. Then the queries of the API and of the documented examples with 2,000,000 entries
 * and 500,000 deals. Takes some minutes and a few gigabytes.
 *
 * The entries are inserted directly, without triggers, because only reading is measured.
 */
import type pg from "pg";

import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";

const sizes = [10_000, 1_000_000, 10_000_000];
const sealedSize = 1_000_000;
const entriesOfOne = 20;
const rounds = 200;

/** Fills the audit log up to a number of entries, spread evenly over the past year. */
async function fill(client: pg.Client, from: number, to: number): Promise<void> {
  const step = 500_000;
  for (let first = from + 1; first <= to; first += step) {
    await client.query(
      `insert into crm.audit_logs
         (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
       select
         'contact',
         md5('contact ' || i / ${entriesOfOne})::uuid,
         case when i % ${entriesOfOne} = 0 then 'create' else 'update' end,
         'user-' || i % 50,
         jsonb_build_object(
           'last_name', jsonb_build_object('old', 'Name ' || i, 'new', 'Name ' || i + 1)
         ),
         now() - interval '11 months' + interval '11 months' * (i::float8 / $3),
         1,
         'api'
       from generate_series($1::bigint, $2::bigint) as i`,
      [first, Math.min(first + step - 1, to), to],
    );
  }
  await client.query("analyze crm.audit_logs");
}

const history = `
  select history.*
  from crm.contacts as contact, crm.contacts_history(contact) as history
  where contact.id = $1`;

/** Returns the median time of reading the history of a contact, over different contacts. */
async function time(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    `select id from crm.contacts order by md5(id::text) limit ${rounds}`,
  );
  const times: number[] = [];
  for (const { id } of [...rows, ...rows]) {
    times.push(
      await milliseconds(() => client.query({ name: "history", text: history, values: [id] })),
    );
  }
  return median(times.slice(rows.length)); // the first pass warms the cache
}

/** Measures the time of sealing and verifying the whole audit log, and the space of the seals. */
async function timeSeals(client: pg.Client): Promise<void> {
  const seconds = async (name: string, query: string): Promise<void> => {
    const took = (await milliseconds(() => client.query(query))) / 1000;
    const rate = Math.round(sealedSize / took).toLocaleString("en");
    process.stdout.write(`${name}: ${took.toFixed(1)} s, ${rate} entries a second\n`);
  };
  await seconds("sealing", "select crm_private.seal_audit_log()");
  await seconds("verifying", "select crm_private.check_audit_log()");
  const { rows } = await client.query<{ share: string }>(
    `select round(
       100.0 * pg_total_relation_size('crm_private.audit_log_blocks')
       / (select sum(pg_total_relation_size(relid)) from pg_partition_tree('crm.audit_logs'))
     ) as share`,
  );
  process.stdout.write(`the seals take ${rows[0]?.share} % of the audit log's space\n`);
}

/** Returns the plan of a history without its empty partitions, and how many pages it reads. */
async function explain(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ "QUERY PLAN": string }>(
    `explain (analyze, buffers, costs off, timing off, summary off)
     ${history.replace("$1", "md5('contact 7')::uuid")}`,
  );
  const lines = rows.map((row) => row["QUERY PLAN"]);
  const pages = lines.find((line) => line.includes("Buffers:"))?.trim() ?? "";
  return [pages, ...lines.filter((line) => line.includes(" on ") && !line.includes("Seq Scan"))];
}

/** 500,000 deals of the past year, with two stages each. */
const deals = 500_000;
const fillDeals = `
  insert into crm.companies (name) values ('Acme');
  insert into crm.deals
    (title, company_id, value, currency, stage, probability, close_date, owner_id, created_at)
  select
    'Deal ' || i, company.id, i % 10000, (array['USD', 'EUR'])[1 + i % 2],
    (array['Prospecting', 'Proposal', 'Won', 'Lost'])[1 + i % 4], i % 100,
    current_date - i % 300, 'user-' || i % 50, now() - interval '320 days' * (i::float8 / ${deals})
  from generate_series(1, ${deals}) as i, crm.companies as company;
  insert into crm.audit_logs
    (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
  select 'deal', id, 'create', owner_id,
    jsonb_build_object('stage', 'Prospecting', 'value', value, 'currency', currency),
    created_at, 1, 'api'
  from crm.deals
  union all
  select 'deal', id, 'update', owner_id,
    jsonb_build_object('stage', jsonb_build_object('old', 'Prospecting', 'new', stage)),
    created_at + interval '3 days', 2, 'api'
  from crm.deals
  where stage <> 'Prospecting';`;

/** Queries of members through the API, and of analysts as in docs/reference/reporting.md. */
const documented: readonly [name: string, role: string, text: string][] = [
  [
    "auditLogs(first: 50, orderBy: ENTRY_ID_DESC)",
    "crm_member",
    "select * from crm.audit_logs order by id desc limit 50",
  ],
  ["pipelineAsOf now", "crm_member", "select * from crm.pipeline_as_of(now())"],
  [
    "pipelineAsOf a month ago",
    "crm_member",
    "select * from crm.pipeline_as_of(now() - interval '1 month')",
  ],
  [
    "pipelineAsOf ten months ago",
    "crm_member",
    "select * from crm.pipeline_as_of(now() - interval '10 months')",
  ],
  [
    "stageHistory of a deal",
    "crm_member",
    "select * from crm.stage_history where deal_id = (select id from crm.deals limit 1)",
  ],
  [
    "reporting.activity of a week",
    "crm_reporter",
    "select * from reporting.activity where day >= current_date - 7",
  ],
  [
    "reporting.pipeline_by_day of a day",
    "crm_reporter",
    "select * from reporting.pipeline_by_day where day = current_date - 30",
  ],
  [
    "reporting.close_date_changes",
    "crm_reporter",
    "select count(report) from reporting.close_date_changes as report",
  ],
];

/** Measures how long each query takes, and how many pages of 8 kB it reads, cached or not. */
async function timeDocumented(client: pg.Client): Promise<void> {
  for (const [name, role, text] of documented) {
    await client.query(`begin; set local role ${role}; set local crm.user_id = 'ann'`);
    const took = await milliseconds(() => client.query(text));
    const { rows } = await client.query<{ "QUERY PLAN": { Plan: Record<string, number> }[] }>(
      `explain (analyze, buffers, format json) ${text}`,
    );
    await client.query("rollback");
    const plan = rows[0]?.["QUERY PLAN"][0]?.Plan ?? {};
    const pages = (plan["Shared Hit Blocks"] ?? 0) + (plan["Shared Read Blocks"] ?? 0);
    process.stdout.write(
      `  ${name.padEnd(40)} ${took.toFixed(0).padStart(6)} ms ${pages.toLocaleString("en").padStart(10)} pages\n`,
    );
  }
}

await withBenchDatabase(async (client) => {
  await client.query(
    `select crm_private.ensure_audit_partitions(0);
     do $months$
     declare
       v_from timestamptz;
     begin
       for v_from in
         select month at time zone 'UTC'
         from generate_series(
           date_trunc('month', now() at time zone 'UTC') - interval '11 months',
           date_trunc('month', now() at time zone 'UTC') - interval '1 month',
           interval '1 month'
         ) as month
       loop
         execute format(
           'create table crm_private.audit_logs_%s partition of crm.audit_logs '
           'for values from (%L) to (%L)',
           to_char(v_from at time zone 'UTC', 'YYYY_MM'),
           v_from,
           (v_from at time zone 'UTC' + interval '1 month') at time zone 'UTC'
         );
       end loop;
     end
     $months$`,
  );
  await client.query("set session_replication_role = replica");
  await client.query(
    `insert into crm.contacts (id, first_name, last_name)
     select md5('contact ' || i)::uuid, 'First', 'Last'
     from generate_series(1, ${(sizes[0] ?? 0) / entriesOfOne} - 1) as i`,
  );
  await client.query("analyze crm.contacts");

  const measured: { name: string; milliseconds: number }[] = [];
  const plans: string[] = [];
  let filled = 0;
  for (const size of sizes) {
    const name = `${size.toLocaleString("en")} entries`;
    await fill(client, filled, size);
    filled = size;
    await client.query("vacuum crm.audit_logs");
    measured.push({ name, milliseconds: await time(client) });
    const [pages = "", ...plan] = await explain(client);
    plans.push(`${name}: ${pages}`);
    if (size === sizes.at(-1)) plans.push(...plan);
    if (size === sealedSize) {
      await timeSeals(client);
      await client.query(fillDeals);
      await client.query("vacuum analyze crm.audit_logs");
      await client.query("vacuum analyze crm.deals");
      const { rows } = await client.query<{ count: string }>("select count(*) from crm.audit_logs");
      process.stdout.write(`documented uses at ${rows[0]?.count} entries and ${deals} deals\n`);
      await timeDocumented(client);
    }
  }
  const [first, ...others] = measured;
  if (first !== undefined) printRatio("history of one contact", [first, ...others]);
  process.stdout.write(`${plans.map((line) => `  ${line}`).join("\n")}\n`);
});
