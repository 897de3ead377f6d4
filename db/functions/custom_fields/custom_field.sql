/*
 * Returns the definition of a custom field by its name; raises if there is none. Called to create
 * and drop the index of a field.
 */
create or replace function crm_private.custom_field(p_entity_type text, p_name text)
returns crm.custom_field_definitions
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition crm.custom_field_definitions;
begin
  perform crm_private.refuse_null('entityType', p_entity_type);
  perform crm_private.refuse_null('name', p_name);

  select definition.* into v_definition
  from crm.custom_field_definitions as definition
  where definition.entity_type = p_entity_type and definition.name = p_name;

  if not found then
    perform crm_private.refuse_missing('customFieldDefinition', left(p_name, 100));
  end if;

  return v_definition;
end
$$;

comment on function crm_private.custom_field(text, text) is
  'Returns the definition of a custom field by its name; raises if there is none.';

revoke all on function crm_private.custom_field(text, text) from public;
