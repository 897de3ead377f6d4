/*
 * What the index of a custom field is called, whether there is one or not: by the id of the
 * definition, which stays when the field gets another name.
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
  'What the index of a custom field is called, whether there is one or not.';

revoke all on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  from public;
grant execute on function crm_private.custom_field_index_name(crm.custom_field_definitions)
  to crm_reader;
