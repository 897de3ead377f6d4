import type pg from "pg";

/** The number of contacts of a usual database. The other numbers of rows follow from it. */
const usual = 100_000;

/** Fills an empty database with varied rows, with all triggers enabled. */
export async function fill(client: pg.Client, contacts = usual): Promise<void> {
  const companies = contacts / 10;
  const others = contacts / 2;
  await client.query(`
    insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
    values
      ('industry', 'Industry', 'company', 'enum', '{software,hardware,services}'),
      ('employees', 'Employees', 'contact', 'number', null),
      ('region', 'Region', 'deal', 'enum', '{north,east,south,west}');

    insert into crm.companies (name, address, owner_id, custom_fields)
    select
      'Company ' || md5(i::text),
      jsonb_build_object('city', 'City ' || i % 500, 'country', 'DE'),
      'user' || i % 50,
      jsonb_build_object('industry', (array['software', 'hardware', 'services'])[1 + i % 3])
    from generate_series(1, ${companies}) as i;

    create temporary table numbered_companies as
      select id, row_number() over (order by id) - 1 as n from crm.companies;
    create index on numbered_companies (n);
    analyze numbered_companies;
  `);
  await inParts(client, contacts, async (from, to) => {
    await client.query(`
      insert into crm.contacts (first_name, last_name, emails, phones, company_id, owner_id, custom_fields)
      select
        'First ' || md5(i::text), 'Last ' || md5((i * 7)::text),
        array['user' || i || '@example.com', 'u' || i || '@mail.example.com'],
        array['+49 30 ' || i],
        company.id, 'user' || i % 50, jsonb_build_object('employees', i)
      from generate_series(${from}, ${to}) as i
      join numbered_companies as company on company.n = i % ${companies}`);
  });
  await client.query(`
    create temporary table numbered_contacts as
      select id, company_id, row_number() over (order by id) - 1 as n from crm.contacts;
    create index on numbered_contacts (n);
    analyze numbered_contacts;
  `);
  await inParts(client, others, async (from, to) => {
    await client.query(`
      insert into crm.deals (title, company_id, contact_id, value, stage, close_date, custom_fields)
      select
        'Deal ' || md5(i::text), contact.company_id, contact.id, i % 100000 + 0.5,
        (array['Prospecting', 'Qualification', 'Proposal', 'Negotiation', 'Won', 'Lost'])[1 + i % 6],
        date '2020-01-01' + i % 2000,
        jsonb_build_object('region', (array['north', 'east', 'south', 'west'])[1 + i / 6 % 4])
      from generate_series(${from}, ${to}) as i
      join numbered_contacts as contact on contact.n = i * 2 % ${contacts};

      insert into crm.tasks (description, due_date, status, assigned_to, entity_type, entity_id)
      select
        'Call ' || md5(i::text), date '2026-01-01' + i % 500,
        case i % 3 when 0 then 'closed' else 'open' end, 'user' || i % 50,
        target.entity_type, target.entity_id
      from generate_series(${from}, ${to}) as i
      join numbered_contacts as contact on contact.n = i * 2 % ${contacts}
      cross join lateral (values
        (0, 'contact', contact.id), (1, 'contact', contact.id), (2, 'company', contact.company_id)
      ) as target (kind, entity_type, entity_id)
      where target.kind = i % 3;

      insert into crm.notes (content, entity_type, entity_id)
      select repeat('Note ' || md5(i::text) || ' ', 10), 'contact', contact.id
      from generate_series(${from}, ${to}) as i
      join numbered_contacts as contact on contact.n = i * 2 % ${contacts};
    `);
  });
  await client.query("vacuum analyze");
}

/**
 * Calls work for each part of the numbers from 1 to a count, as one user after the other; a large transaction
 * would need more memory.
 */
async function inParts(
  client: pg.Client,
  count: number,
  work: (from: number, to: number) => Promise<void>,
): Promise<void> {
  const size = 10_000;
  for (let from = 1; from <= count; from += size) {
    await client.query("select set_config('crm.user_id', $1, false)", [
      `user${Math.floor(from / size) % 50}`,
    ]);
    await work(from, Math.min(from + size - 1, count));
  }
  await client.query("reset crm.user_id");
}
