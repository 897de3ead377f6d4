import type pg from "pg";

import { code, table } from "./markdown.ts";

/** A small CRM in 2026, whose rows the examples ask about. */
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

  insert into crm.deals (title, company_id, value, currency, stage, close_date, owner_id)
  select title, company.id, value, currency, stage, close_date, company.owner_id
  from (
    values
      ('Engine', 'Acme', 1000, 'USD', 'Won', date '2026-01-20'),
      ('Wheel', 'Acme', 500, 'USD', 'Lost', '2026-01-25'),
      ('Lever', 'Bolt', 300, 'EUR', 'Won', '2026-02-10'),
      ('Pump', 'Bolt', 800, 'EUR', 'Proposal', '2126-03-01'),
      ('Valve', 'Acme', 200, 'USD', 'Prospecting', '2126-03-15')
  ) as deal (title, company, value, currency, stage, close_date)
  join crm.companies as company on company.name = deal.company;

  update crm.deals set stage = 'Negotiation', custom_fields = '{"units": 2.5}' where title = 'Pump';

  insert into crm.notes (content, entity_type, entity_id)
  select 'Prefers mail.', 'contact', id from crm.contacts where first_name = 'Ada';

  insert into crm.tasks (description, due_date, assigned_to, entity_type, entity_id)
  select 'Call ' || title, date '2026-01-01', owner_id, 'deal', id from crm.deals;`;

/** A question for each view, whose answer does not depend on the day that it is asked. */
const examples: Readonly<Record<string, string>> = {
  companies: "select name, city, owner_id, custom_sector from reporting.companies order by name",
  contacts: "select name, email, company from reporting.contacts order by name",
  deals: `
    select title, company, stage, stage_kind, value, currency, custom_units
    from reporting.deals
    where stage_kind = 'open'
    order by title`,
  notes: "select content, entity_type, entity from reporting.notes",
  tasks: "select description, assigned_to, entity from reporting.tasks order by description limit 2",
  pipeline: `
    select stage, currency, deals, value, weighted_value
    from reporting.pipeline
    where kind = 'open'
    order by position, currency`,
  forecast: "select * from reporting.forecast order by month, currency",
  pipeline_in_base: `
    select stage, currency, deals, value, weighted_value
    from reporting.pipeline_in_base
    where kind = 'open'
    order by position, currency`,
  forecast_in_base: "select * from reporting.forecast_in_base order by month, currency",
  win_rates_in_base: `
    select month, currency, sum(won) as won, sum(lost) as lost, sum(won_value) as won_value
    from reporting.win_rates_in_base
    group by month, currency
    order by month, currency`,
  win_rates: `
    select month, currency, sum(won) as won, sum(lost) as lost, sum(won_value) as won_value,
      round(sum(won) / sum(won + lost), 2) as win_rate
    from reporting.win_rates
    group by month, currency
    order by month, currency`,
  stage_periods: `
    select deal, company, stage, left_at is null as is_there
    from reporting.stage_periods
    where deal = 'Pump'
    order by entered_at`,
  stage_conversion: `
    select stage, entered, present, advanced, conversion_rate
    from reporting.stage_conversion
    order by position`,
  open_tasks: "select assigned_to, age, tasks, overdue from reporting.open_tasks order by assigned_to",
  activity: `
    select entity_type, sum(created) as created, sum(updated) as updated
    from reporting.activity
    where day >= current_date - 7
    group by entity_type
    order by entity_type`,
  new_contacts: "select owner_id, contacts, with_company from reporting.new_contacts order by owner_id",
  data_quality: `
    select problem, label, owner_id
    from reporting.data_quality
    where entity_type <> 'task'
    order by problem, label`,
};

interface View {
  name: string;
  comment: string;
  columns: { name: string; type: string; comment: string }[];
}

/** The views of schema `reporting`, each with its columns and an example. Leaves nothing behind. */
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
    const sections: string[] = [];
    for (const view of views) sections.push(await renderView(client, view));
    return sections.join("\n\n");
  } finally {
    await client.query(isWithin ? "rollback to savepoint sample" : "rollback");
  }
}

async function renderView(client: pg.ClientBase, { name, comment, columns }: View) {
  const example = unindented(examples[name] ?? `select * from reporting.${name}`);
  const { rows, fields } = await client.query<(string | null)[]>({
    text: example,
    rowMode: "array",
    types: { getTypeParser: () => String }, // as psql shows them
  });
  return [
    `## reporting.${name}`,
    escaped(comment),
    table(
      ["Column", "Type", "What it is"],
      columns.map((column) => [code(column.name), column.type, escaped(column.comment)]),
    ),
    `\`\`\`sql\n${example};\n\`\`\``,
    table(
      fields.map((field) => field.name),
      rows.map((row) => row.map((value) => value ?? "")),
    ),
  ].join("\n\n");
}

/** A text as Markdown, which would take `<name>` for a tag. */
function escaped(text: string): string {
  return text.replaceAll("<", "&lt;");
}

/** A statement without the indentation that it has here. */
function unindented(statement: string): string {
  const lines = statement.replace(/^\n/, "").split("\n");
  const indent = /^ */.exec(lines[0] ?? "")?.[0].length ?? 0;
  return lines.map((line) => line.slice(indent)).join("\n");
}
