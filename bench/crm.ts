import type pg from "pg";

/** The number of rows in a filled database. */
export const sizes = {
  companies: 10_000,
  contacts: 100_000,
  deals: 50_000,
  tasks: 50_000,
  notes: 50_000,
};

/** Fills an empty database with varied rows, with all triggers enabled. */
export async function fill(client: pg.Client): Promise<void> {
  await client.query(`
    insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
    values
      ('industry', 'Industry', 'company', 'enum', '{software,hardware,services}'),
      ('employees', 'Employees', 'contact', 'number', null);

    insert into crm.companies (name, address, owner_id, custom_fields)
    select
      'Company ' || md5(i::text),
      jsonb_build_object('city', 'City ' || i % 500, 'country', 'DE'),
      'user' || i % 50,
      jsonb_build_object('industry', (array['software', 'hardware', 'services'])[1 + i % 3])
    from generate_series(1, ${sizes.companies}) as i;

    create temporary table numbered_companies as
      select id, row_number() over (order by id) - 1 as n from crm.companies;
    create index on numbered_companies (n);
    analyze numbered_companies;

    insert into crm.contacts (first_name, last_name, emails, phones, company_id, owner_id, custom_fields)
    select
      'First ' || md5(i::text), 'Last ' || md5((i * 7)::text),
      array['user' || i || '@example.com', 'u' || i || '@mail.example.com'],
      array['+49 30 ' || i],
      company.id, 'user' || i % 50, jsonb_build_object('employees', i)
    from generate_series(1, ${sizes.contacts}) as i
    join numbered_companies as company on company.n = i % ${sizes.companies};

    create temporary table numbered_contacts as
      select id, company_id, row_number() over (order by id) - 1 as n from crm.contacts;
    create index on numbered_contacts (n);
    analyze numbered_contacts;

    insert into crm.deals (title, company_id, contact_id, value, stage, close_date)
    select
      'Deal ' || md5(i::text), contact.company_id, contact.id, i % 100000 + 0.5,
      (array['Prospecting', 'Qualification', 'Proposal', 'Negotiation', 'Won', 'Lost'])[1 + i % 6],
      date '2020-01-01' + i % 2000
    from generate_series(1, ${sizes.deals}) as i
    join numbered_contacts as contact on contact.n = i * 2 % ${sizes.contacts};

    insert into crm.tasks (description, due_date, assigned_to, entity_type, entity_id)
    select 'Call ' || md5(i::text), date '2026-01-01' + i % 500, 'user' || i % 50, 'contact', contact.id
    from generate_series(1, ${sizes.tasks}) as i
    join numbered_contacts as contact on contact.n = i * 2 % ${sizes.contacts};

    insert into crm.notes (content, entity_type, entity_id)
    select repeat('Note ' || md5(i::text) || ' ', 10), 'contact', contact.id
    from generate_series(1, ${sizes.notes}) as i
    join numbered_contacts as contact on contact.n = i * 2 % ${sizes.contacts};
  `);
  await client.query("vacuum analyze");
}
