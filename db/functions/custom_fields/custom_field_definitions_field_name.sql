/*
 * The name of the typed field that a definition makes; see crm_private.custom_field_names. It counts the
 * definition itself among those that are there, because the statement that creates it does not.
 */
create or replace function crm.custom_field_definitions_field_name(
  definition crm.custom_field_definitions
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select named.field_name
  from crm_private.custom_field_names(
    array(
      select other
      from crm.custom_field_definitions as other
      where other.entity_type = definition.entity_type and other.id <> definition.id
    ) || definition
  ) as named
  where named.definition_id = definition.id;
$$;

comment on function crm.custom_field_definitions_field_name(crm.custom_field_definitions) is
  'The name of the typed field that the definition makes on its entity type: close_reason is '
  'closeReason. Where a built-in field has that name already it begins with custom: customTitle.';

revoke all on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  to crm_reader;
