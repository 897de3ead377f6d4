/*
 * Lets the entity types that have custom fields have definitions, and no others: makes the constraint
 * custom_field_definitions_entity_type_known of the catalogue, with its message.
 */
create or replace function crm_private.allow_definitions()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statement is made of quoted values; that it is cannot be told.
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
  'Lets the entity types that have custom fields have definitions.';

revoke all on function crm_private.allow_definitions() from public;
