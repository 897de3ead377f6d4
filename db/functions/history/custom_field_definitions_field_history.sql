/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.custom_field_definitions_field_history(record crm.custom_field_definitions, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select history.* from crm.field_history('custom_field_definition', record.id, field) as history;
$$;

comment on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) from public;
grant execute on function crm.custom_field_definitions_field_history(crm.custom_field_definitions, text) to crm_reader;
