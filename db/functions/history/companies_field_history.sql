/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.companies_field_history(record crm.companies, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select history.* from crm.field_history('company', record.id, field) as history;
$$;

comment on function crm.companies_field_history(crm.companies, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what. A '
  'custom field is customFields.<name>.';

revoke all on function crm.companies_field_history(crm.companies, text) from public;
grant execute on function crm.companies_field_history(crm.companies, text) to crm_reader;
