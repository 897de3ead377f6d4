/*
 * Returns the columns of the report of an entity type, without custom fields.
 * crm_private.compile_report creates reporting.contacts, reporting.companies and reporting.deals
 * from them; the expressions use the names of its from clause. The report of another entity has the
 * columns of its table that readers can read, except the technical ones (the version, the search
 * document and the like).
 */
create or replace function crm_private.report_columns(p_entity_type text)
returns table (ordinal integer, name text, expression text, comment text)
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with listed (entity_type, ordinal, name, expression, comment) as (
    values
      ('contact', 1, 'id', 'contact.id', 'The id of the contact.'),
      ('contact', 2, 'name', 'contact.first_name || '' '' || contact.last_name',
        'First and last name.'),
      ('contact', 3, 'first_name', 'contact.first_name', 'The first name.'),
      ('contact', 4, 'last_name', 'contact.last_name', 'The last name.'),
      ('contact', 5, 'email', 'contact.emails[1]', 'The first email address; null if none.'),
      ('contact', 6, 'emails', 'contact.emails', 'All email addresses.'),
      ('contact', 7, 'phone', 'contact.phones[1]', 'The first phone number; null if none.'),
      ('contact', 8, 'phones', 'contact.phones', 'All phone numbers.'),
      ('contact', 9, 'company_id', 'contact.company_id', 'The id of the company.'),
      ('contact', 10, 'company', 'company.name', 'The name of the company.'),
      ('contact', 11, 'owner_id', 'contact.owner_id', 'The user who owns the contact.'),
      ('contact', 12, 'created_at', 'contact.created_at', 'When the contact was created.'),
      ('contact', 13, 'created_by', 'contact.created_by', 'Who created it.'),
      ('contact', 14, 'updated_at', 'contact.updated_at', 'When it was changed last.'),
      ('contact', 15, 'updated_by', 'contact.updated_by', 'Who changed it last.'),

      ('company', 1, 'id', 'company.id', 'The id of the company.'),
      ('company', 2, 'name', 'company.name', 'The name.'),
      ('company', 3, 'street', 'company.address ->> ''street''', 'The street.'),
      ('company', 4, 'city', 'company.address ->> ''city''', 'The city.'),
      ('company', 5, 'state', 'company.address ->> ''state''', 'The state.'),
      ('company', 6, 'postal_code', 'company.address ->> ''postalCode''', 'The postal code.'),
      ('company', 7, 'country', 'company.address ->> ''country''', 'The country.'),
      ('company', 8, 'owner_id', 'company.owner_id', 'The user who owns the company.'),
      ('company', 9, 'created_at', 'company.created_at', 'When the company was created.'),
      ('company', 10, 'created_by', 'company.created_by', 'Who created it.'),
      ('company', 11, 'updated_at', 'company.updated_at', 'When it was changed last.'),
      ('company', 12, 'updated_by', 'company.updated_by', 'Who changed it last.'),

      ('deal', 1, 'id', 'deal.id', 'The id of the deal.'),
      ('deal', 2, 'title', 'deal.title', 'The title.'),
      ('deal', 3, 'company_id', 'deal.company_id', 'The id of the company.'),
      ('deal', 4, 'company', 'company.name', 'The name of the company.'),
      ('deal', 5, 'contact_id', 'deal.contact_id', 'The id of the contact.'),
      ('deal', 6, 'contact', 'contact.first_name || '' '' || contact.last_name',
        'The name of the contact.'),
      ('deal', 7, 'value', 'deal.value', 'The value.'),
      ('deal', 8, 'currency', 'deal.currency', 'The currency of the value.'),
      ('deal', 9, 'stage', 'deal.stage', 'The name of the stage.'),
      ('deal', 10, 'stage_kind', 'stage.kind', 'The kind of the stage: open, won or lost.'),
      ('deal', 11, 'probability', 'deal.probability', 'The probability of winning it, 0 to 100.'),
      ('deal', 12, 'close_date', 'deal.close_date', 'The expected close date.'),
      ('deal', 13, 'owner_id', 'deal.owner_id', 'The user who owns the deal.'),
      ('deal', 14, 'created_at', 'deal.created_at', 'When the deal was created.'),
      ('deal', 15, 'created_by', 'deal.created_by', 'Who created it.'),
      ('deal', 16, 'updated_at', 'deal.updated_at', 'When it was changed last.'),
      ('deal', 17, 'updated_by', 'deal.updated_by', 'Who changed it last.'),
      ('deal', 18, 'closed_at', 'deal.closed_at', 'When it was won or lost; null if it is open.'),
      ('deal', 19, 'lost_reason', 'deal.lost_reason', 'Why it was lost; null if not given.'),
      ('deal', 20, 'probability_given', 'deal.probability_given',
        'True if a user set the probability, false if it is that of the stage.')
  )
  select listed.ordinal, listed.name, listed.expression, listed.comment
  from listed
  where listed.entity_type = p_entity_type

  union all

  select
    attnum::integer, attname::text, format('%I.%I', p_entity_type, attname),
    col_description(attrelid, attnum)
  from pg_attribute
  where attrelid = crm_private.entity_table(p_entity_type)
    and attnum > 0
    and not attisdropped
    and attname <> all ('{version,custom_fields,external_ids,search_document}')
    and has_column_privilege('crm_reader', attrelid, attnum, 'select')
    and p_entity_type not in (select listed.entity_type from listed);
$$;

comment on function crm_private.report_columns(text) is
  'Returns the columns of the report of an entity type, without custom fields.';

revoke all on function crm_private.report_columns(text) from public;
