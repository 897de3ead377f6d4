/*
 * Restricts definitions to the entity types that have custom fields: recreates the constraint
 * custom_field_definitions_entity_type_known from the catalogue, with its message. Called by
 * crm_private.register_entity and crm_private.unregister_entity.
 */
create or replace function crm_private.allow_definitions()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains only quoted values, which the checker cannot see.
-- @plpgsql_check_options: security_warnings = off
declare
  v_types text[] := (
    select array_agg(entity_type order by restore_order) from crm_private.entity_types
    where has_custom_fields
  );
begin
  execute format(
    'alter table crm.custom_field_definitions
       drop constraint custom_field_definitions_entity_type_known,
       add constraint custom_field_definitions_entity_type_known check (
         entity_type = any (array[%s])
       )',
    (
      select string_agg(quote_literal(name), ', ' order by place)
      from unnest(v_types) with ordinality as type (name, place)
    )
  );
  execute format(
    'comment on constraint custom_field_definitions_entity_type_known on crm.custom_field_definitions is %L',
    '%s is not one of ' || array_to_string(v_types, ', ')
  );
  perform crm_private.compile_rules('crm.custom_field_definitions');
end
$$;

comment on function crm_private.allow_definitions() is
  'Restricts definitions to the entity types that have custom fields.';

revoke all on function crm_private.allow_definitions() from public;
