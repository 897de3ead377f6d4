import type pg from "pg";

import { code, escapeTags, table } from "./markdown.ts";

/** A small CRM in 2026: the data of the examples. */
const sample = `
  insert into crm.custom_field_definitions (name, label, entity_type, field_type) values
    ('sector', 'Sector', 'company', 'text'), ('units', 'Units', 'deal', 'number');

  insert into crm.companies (name, owner_id, address, custom_fields) values
    ('Acme', 'ann', '{"city": "London"}', '{"sector": "tools"}'), ('Bolt', 'bob', null, '{}');

  insert into crm.exchange_rates (currency, valid_from, rate) values
    ('EUR', '2026-01-01', 1.17), ('EUR', '2026-02-01', 1.19);

  insert into crm.contacts (first_name, last_name, owner_id) values ('Zoe', 'Young', 'bob');
  insert into crm.contacts (first_name, last_name, emails, company_id, owner_id)
  select 'Ada', 'Lovelace', '{ada@acme.example}', id, 'ann' from crm.companies where name = 'Acme';

  -- Deals that were imported from another system, and closed there.
  set local crm.source = 'import';
  insert into crm.deals
    (title, company_id, value, currency, stage, close_date, owner_id, lost_reason, created_at, closed_at)
  select title, company.id, value, currency, stage, close_date, company.owner_id, lost_reason,
    timestamptz '2026-01-01 12:00 UTC', closed_at
  from (
    values
      ('Engine', 'Acme', 1000, 'USD', 'Won', date '2026-01-20', null,
        timestamptz '2026-01-22 12:00 UTC'),
      ('Wheel', 'Acme', 500, 'USD', 'Lost', '2026-01-25', 'price', '2026-01-25 12:00 UTC'),
      ('Lever', 'Bolt', 300, 'EUR', 'Won', '2026-02-10', null, '2026-02-10 12:00 UTC'),
      ('Pump', 'Bolt', 700, 'EUR', 'Proposal', '2026-02-20', null, null),
      ('Valve', 'Acme', 200, 'USD', 'Prospecting', '2126-03-15', null, null)
  ) as deal (title, company, value, currency, stage, close_date, lost_reason, closed_at)
  join crm.companies as company on company.name = deal.company;
  reset crm.source;

  -- Lets the audit log begin with the year, and the won deal be open until its close.
  update crm.audit_logs set "timestamp" = timestamptz '2026-01-01 12:00 UTC' where entity_type = 'deal';
  update crm.audit_logs
  set changes = changes || '{"stage": "Negotiation", "probability": 75, "closed_at": null}'
  where entity_id = (select id from crm.deals where title = 'Lever');
  insert into crm.audit_logs
    (entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source)
  select 'deal', id, 'update', 'bob',
    '{"stage": {"old": "Negotiation", "new": "Won"}, "probability": {"old": 75, "new": 100}}',
    closed_at, 1, 'api'
  from crm.deals where title = 'Lever';

  update crm.deals
  set stage = 'Negotiation', custom_fields = '{"units": 2.5}', value = 800, close_date = '2126-03-01'
  where title = 'Pump';
  update crm.deals set owner_id = 'cy' where title = 'Valve';

  insert into crm.notes (content, entity_type, entity_id)
  select 'Prefers mail.', 'contact', id from crm.contacts where first_name = 'Ada';

  insert into crm.tasks (description, due_date, assigned_to, entity_type, entity_id)
  select 'Call ' || title, date '2026-01-01', owner_id, 'deal', id from crm.deals;`;

/** An example query of a view. Its result does not depend on the current day. */
interface Example {
  /** The question of a salesperson or sales manager that it answers. */
  question?: string;
  statement: string;
}

const examples: Readonly<Record<string, Example>> = {
  companies: {
    statement: "select name, city, owner_id, custom_sector from reporting.companies order by name",
  },
  contacts: { statement: "select name, email, company from reporting.contacts order by name" },
  deals: {
    statement: `
    select title, company, stage, stage_kind, value, currency, custom_units
    from reporting.deals
    where stage_kind = 'open'
    order by title`,
  },
  notes: { statement: "select content, entity_type, entity from reporting.notes" },
  tasks: {
    statement:
      "select description, assigned_to, entity from reporting.tasks order by description limit 2",
  },
  pipeline: {
    question: "What is in the pipeline?",
    statement: `
    select stage, currency, deals, value, weighted_value
    from reporting.pipeline
    where kind = 'open'
    order by position, currency`,
  },
  pipeline_in_base: {
    question: "What is the whole pipeline worth?",
    statement: `
    select stage, currency, deals, value, weighted_value
    from reporting.pipeline_in_base
    where kind = 'open'
    order by position, currency`,
  },
  forecast: {
    question: "What will we sell in the next months?",
    statement: "select * from reporting.forecast order by month, currency",
  },
  forecast_in_base: {
    question: "How much is that in the base currency?",
    statement: "select * from reporting.forecast_in_base order by month, currency",
  },
  win_rates: {
    question: "How many deals do we win?",
    statement: `
    select month, currency, sum(won) as won, sum(lost) as lost, sum(won_value) as won_value,
      round(sum(won) / sum(won + lost), 2) as win_rate
    from reporting.win_rates
    group by month, currency
    order by month, currency`,
  },
  win_rates_in_base: {
    question: "Who sells most?",
    statement: `
    select owner_id, currency, sum(won) as won, sum(lost) as lost, sum(won_value) as won_value
    from reporting.win_rates_in_base
    where month >= '2026-01-01' and month < '2027-01-01'
    group by owner_id, currency
    order by won_value desc`,
  },
  closed_deals: {
    question: "Which were our biggest wins, and how long did they take?",
    statement: `
    select deal, company, owner_id, closed_on, value, currency, value_in_base, cycle_days, days_late
    from reporting.closed_deals
    where outcome = 'won'
    order by value_in_base desc
    limit 10`,
  },
  lost_reasons: {
    question: "Why do we lose?",
    statement: `
    select lost_reason, currency, sum(deals) as deals, sum(value) as value
    from reporting.lost_reasons
    group by lost_reason, currency
    order by deals desc`,
  },
  stage_conversion: {
    question: "In which stage do we lose deals?",
    statement: `
    select stage, entered, present, advanced, conversion_rate
    from reporting.stage_conversion
    order by position`,
  },
  stage_periods: {
    question: "Which stages has a deal passed through?",
    statement: `
    select deal, company, stage, left_at is null as is_there
    from reporting.stage_periods
    where deal = 'Pump'
    order by entered_at`,
  },
  stage_moves: {
    question: "Which deals moved forward, and which moved back?",
    statement: `
    select deal, from_stage, to_stage, direction
    from reporting.stage_moves
    where moved_at >= '2026-02-01'
    order by deal`,
  },
  open_deals: {
    question: "Which deals are late or idle?",
    statement: `
    select deal, owner_id, stage, value, currency, days_overdue, idle_days
    from reporting.open_deals
    where days_overdue > 0 or idle_days >= 30 or next_task_due < current_date
    order by deal`,
  },
  new_deals: {
    question: "How many new deals do we find?",
    statement: `
    select month, owner_id, currency, deals, value, won, lost
    from reporting.new_deals
    order by month, owner_id, currency`,
  },
  customers: {
    question: "Who are our best customers?",
    statement: `
    select company, currency, won, won_value, last_won_on, open_deals, open_value
    from reporting.customers
    order by won_value desc
    limit 10`,
  },
  pipeline_by_day: {
    question: "What was in the pipeline at the end of January?",
    statement: `
    select stage, currency, deals, value, weighted_value
    from reporting.pipeline_by_day
    where day = '2026-01-31' and kind = 'open'
    order by position, currency`,
  },
  pipeline_by_day_in_base: {
    question: "How has the pipeline grown?",
    statement: `
    select day, currency, sum(deals) as deals, sum(value) as value
    from reporting.pipeline_by_day_in_base
    where day in ('2026-01-31', '2026-02-28') and kind = 'open'
    group by day, currency
    order by day, currency`,
  },
  close_date_changes: {
    question: "Which deals slipped?",
    statement: `
    select deal, owner_id, old_date, new_date, days
    from reporting.close_date_changes
    where days > 0
    order by days desc`,
  },
  value_changes: {
    question: "Which deals grew or shrank?",
    statement: `
    select deal, old_value, new_value, new_currency as currency, change
    from reporting.value_changes
    order by deal`,
  },
  owner_changes: {
    question: "Which records changed their owner?",
    statement: `
    select entity_type, label, old_owner, new_owner
    from reporting.owner_changes
    order by label`,
  },
  forecast_accuracy: {
    question: "How good was our forecast?",
    statement: `
    select month, currency, forecast_deals, forecast_value, forecast_weighted_value, won, won_value,
      forecast_won, slipped
    from reporting.forecast_accuracy
    where month = '2026-02-01'
    order by currency`,
  },
  forecast_accuracy_in_base: {
    question: "How far off was it in the base currency?",
    statement: `
    select month, currency, forecast_weighted_value, won_value,
      won_value - forecast_weighted_value as difference
    from reporting.forecast_accuracy_in_base
    where month = '2026-02-01'`,
  },
  exchange_rates: {
    question: "Which exchange rates are used?",
    statement: `
    select currency, base_currency, valid_from, valid_to, rate
    from reporting.exchange_rates
    order by currency, valid_from`,
  },
  open_tasks: {
    question: "Who has too much to do?",
    statement:
      "select assigned_to, age, tasks, overdue from reporting.open_tasks order by assigned_to",
  },
  activity: {
    question: "How much is created and changed?",
    statement: `
    select entity_type, sum(created) as created, sum(updated) as updated
    from reporting.activity
    where day >= current_date - 7
    group by entity_type
    order by entity_type`,
  },
  new_contacts: {
    question: "How many new contacts do we add?",
    statement:
      "select owner_id, contacts, with_company from reporting.new_contacts order by owner_id",
  },
  data_quality: {
    question: "Which data is missing or outdated?",
    statement: `
    select problem, label, owner_id
    from reporting.data_quality
    where entity_type <> 'task'
    order by problem, label`,
  },
};

interface View {
  name: string;
  comment: string;
  columns: { name: string; type: string; comment: string }[];
}

/** Renders the views of schema `reporting`, each with its columns and an example. Rolls its data back. */
export async function renderReporting(client: pg.ClientBase): Promise<string> {
  const { rows: views } = await client.query<View>(
    `select
       class.relname as name,
       obj_description(class.oid, 'pg_class') as comment,
       (
         select json_agg(
           json_build_object(
             'name', attname,
             'type', format_type(atttypid, atttypmod),
             'comment', col_description(attrelid, attnum)
           )
           order by attnum
         )
         from pg_attribute
         where attrelid = class.oid and attnum > 0
       ) as columns
     from pg_class as class
     where class.relnamespace = 'reporting'::regnamespace and class.relkind = 'v'
     order by class.relname`,
  );
  const isWithin = client.getTransactionStatus() !== "I";
  await client.query(isWithin ? "savepoint sample" : "begin");
  try {
    await client.query(sample);
    const sections = [renderQuestions(views)];
    for (const view of views) sections.push(await renderView(client, view));
    return sections.join("\n\n");
  } finally {
    await client.query(isWithin ? "rollback to savepoint sample" : "rollback");
  }
}

/** Renders the questions that the views answer, in the order of the examples. */
function renderQuestions(views: View[]): string {
  const names = new Set(views.map(({ name }) => name));
  const rows = Object.entries(examples).flatMap(([name, { question }]) => {
    if (!names.has(name)) throw new Error(`There is an example of reporting.${name}, which does not exist`);
    return question === undefined ? [] : [[question, `[${code(name)}](#reporting${name})`]];
  });
  return ["## Questions", table(["Question", "View"], rows)].join("\n\n");
}

async function renderView(client: pg.ClientBase, { name, comment, columns }: View) {
  const { question, statement } = examples[name] ?? {};
  if (statement === undefined) throw new Error(`There is no example of reporting.${name}`);
  const example = unindented(statement);
  const { rows, fields } = await client.query<(string | null)[]>({
    text: example,
    rowMode: "array",
    types: { getTypeParser: () => String }, // as psql prints them
  });
  return [
    `## reporting.${name}`,
    escapeTags(comment),
    table(
      ["Column", "Type", "Description"],
      columns.map((column) => [code(column.name), column.type, escapeTags(column.comment)]),
    ),
    ...(question === undefined ? [] : [`*${question}*`]),
    `\`\`\`sql\n${example};\n\`\`\``,
    table(
      fields.map((field) => field.name),
      rows.map((row) => row.map((value) => value ?? "")),
    ),
  ].join("\n\n");
}

/** Removes the indentation of a statement in this file. */
function unindented(statement: string): string {
  const lines = statement.replace(/^\n/, "").split("\n");
  const indent = /^ */.exec(lines[0] ?? "")?.[0].length ?? 0;
  return lines.map((line) => line.slice(indent)).join("\n");
}
