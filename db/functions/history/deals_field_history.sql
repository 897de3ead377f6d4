/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.deals_field_history(record crm.deals, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select history.* from crm.field_history('deal', record.id, field) as history;
$$;

comment on function crm.deals_field_history(crm.deals, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what. A '
  'custom field is customFields.<name>.';

revoke all on function crm.deals_field_history(crm.deals, text) from public;
grant execute on function crm.deals_field_history(crm.deals, text) to crm_reader;
