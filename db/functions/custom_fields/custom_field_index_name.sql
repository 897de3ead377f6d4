/*
 * Returns the name of the index of a custom field, whether or not the index exists. It consists of
 * the id of the definition, which stays the same when the field is renamed.
 */
create or replace function crm_private.custom_field_index_name(
  p_definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select relname || '_custom_' || replace(p_definition.id::text, '-', '')
  from pg_class
  where oid = crm_private.entity_table(p_definition.entity_type);
$$;

comment on function crm_private.custom_field_index_name(crm.custom_field_definitions) is
  'Returns the name of the index of a custom field, whether or not the index exists.';

revoke all on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  from public;
grant execute on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  to crm_reader;
