/* What a client reads when a value breaks the definition of its custom field. */
create or replace function crm_private.custom_field_message(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case p_definition.field_type
    when 'text'    then 'must be a text of at most 10,000 characters'
    when 'number'  then 'must be a number of at most 400 digits'
    when 'date'    then 'must be a date such as "2026-02-28"'
    when 'boolean' then 'must be true or false'
    when 'enum'    then 'must be one of ' || (
      select string_agg(value, ', ' order by ordinal)
        || case when cardinality(p_definition.enum_values) > 20 then ' and others' else '' end
      from unnest(p_definition.enum_values[:20]) with ordinality as listed (value, ordinal)
    )
  end;
$$;

comment on function crm_private.custom_field_message(crm.custom_field_definitions) is
  'What a client reads when a value breaks the definition.';

revoke all on function crm_private.custom_field_message(crm.custom_field_definitions) from public;
