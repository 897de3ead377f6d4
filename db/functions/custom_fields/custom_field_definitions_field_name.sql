/*
 * Returns the name of the typed field of a definition; see crm_private.custom_field_names. Includes
 * the definition itself, because the statement that creates it does not see it in the table.
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
  'The name of the typed field of this definition on its entity type, such as closeReason for '
  'close_reason. If a built-in field has that name, this one gets the prefix custom, such as '
  'customTitle.';

revoke all on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  from public;
grant execute on function crm.custom_field_definitions_field_name(crm.custom_field_definitions)
  to crm_reader;
