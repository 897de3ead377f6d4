import type pg from "pg";

/** The number of rows of each table that grows with the use of an installation. */
export const rows = 100_000;

/** Returns the id of the row with this number, from 1, in every table. */
export function idOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

const id = "('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid";
const moment = "timestamptz '2020-01-01' + i * interval '10 minutes'";
const stamps = "created_at, updated_at, created_by, updated_by";
const stamped = `${moment}, ${moment}, 'user ' || i % 1000, 'user ' || i % 1000`;
const externalIds = "array[row('erp', i::text)::crm.external_id]";
const document = (text: string) => `to_tsvector('simple', ${text})`;
const series = `from generate_series(1, ${rows}) as i`;

/**
 * The rows. Each row has another value in every column that has an index, so that a filter by one value finds
 * few rows; columns with few values have one that is rare.
 */
const inserts: readonly string[] = [
  `insert into crm.companies (
     id, name, address, owner_id, external_ids, search_document, match_keys, ${stamps}
   )
   select ${id}, 'Company ' || i, jsonb_build_object('city', 'City ' || i % 500),
     nullif('user ' || i % 1000, 'user 7'), ${externalIds}, ${document("'company ' || i")},
     array['n:company ' || i], ${stamped} ${series}`,
  `insert into crm.contacts (
     id, first_name, last_name, emails, phones, company_id, owner_id, external_ids, search_document,
     match_keys, ${stamps}
   )
   select ${id}, 'First ' || i, 'Last ' || i, array['user' || i || '@example.com'],
     array['+49 30 ' || 100000 + i], case when i % 1000 <> 7 then ${id} end,
     nullif('user ' || i % 1000, 'user 7'), ${externalIds}, ${document("'first last ' || i")},
     array['e:user' || i || '@example.com', 'n:first ' || i], ${stamped} ${series}`,
  `insert into crm.deals (
     id, title, company_id, contact_id, value, currency, stage, probability, close_date, lost_reason,
     owner_id, external_ids, closed_at, search_document, ${stamps}
   )
   select ${id}, 'Deal ' || i, ${id}, case when i % 1000 <> 7 then ${id} end, i, 'USD',
     case i % 1000 when 1 then 'Proposal' else 'Won' end, 100,
     case when i % 1000 <> 7 then date '2000-01-01' + i / 10 end, null,
     nullif('user ' || i % 1000, 'user 7'), ${externalIds}, ${moment}, ${document("'deal ' || i")},
     ${stamped} ${series}`,
  `insert into crm.tasks (
     id, description, due_date, assigned_to, status, entity_type, entity_id, external_ids,
     search_document, ${stamps}
   )
   select ${id}, 'Task ' || i, case when i % 1000 <> 7 then date '2000-01-01' + i / 10 end,
     nullif('user ' || i % 1000, 'user 7'), case i % 1000 when 1 then 'open' else 'closed' end,
     (array['contact', 'company', 'deal'])[1 + i % 3], ${id}, ${externalIds}, ${document("'task ' || i")},
     ${stamped} ${series}`,
  `insert into crm.notes (
     id, content, entity_type, entity_id, external_ids, search_document, ${stamps}
   )
   select ${id}, 'Note ' || i, (array['contact', 'company', 'deal'])[1 + i % 3], ${id},
     ${externalIds}, ${document("'note ' || i")}, ${stamped} ${series}`,
  `insert into crm_private.external_ids (entity_type, source, id, entity_id)
   select entity_type, 'erp', i::text, ${id}
   from unnest('{company,contact,deal,task,note}'::text[]) as entity_type,
     generate_series(1, ${rows}) as i`,
  `insert into crm.audit_logs (
     entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id, source
   )
   select (array['contact', 'company', 'deal'])[1 + i % 3], ${id},
     case i % 1000 when 1 then 'delete' when 2 then 'update' else 'create' end,
     'user ' || i % 1000, '{}', now() - (${rows} - i) * interval '1 millisecond', 4000000000 + i, 'api' ${series}`,
];

/** Tables with columns that triggers derive, also in the role of a replica. */
const searched = ["companies", "contacts", "deals", "tasks", "notes"];

/**
 * Fills the tables of an empty database, fast: without triggers, with columns for search and duplicates that
 * are not computed but have values as varied, and with the indexes created at the end.
 */
export async function fill(client: pg.Client): Promise<void> {
  await client.query("set session_replication_role = replica");
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
     from pg_index
     where indrelid = any ('{crm.companies,crm.contacts,crm.deals,crm.tasks,crm.notes}'::regclass[])
       and not indisunique`,
  );
  for (const { name } of indexes) await client.query(`drop index ${name}`);
  for (const table of searched)
    await client.query(`alter table crm.${table} disable trigger _250_derive_insert`);
  for (const insert of inserts) await client.query(insert);
  for (const table of searched)
    await client.query(`alter table crm.${table} enable always trigger _250_derive_insert`);
  for (const { definition } of indexes) await client.query(definition);
  await client.query("set session_replication_role = origin");
  await client.query("vacuum (analyze)");
}
