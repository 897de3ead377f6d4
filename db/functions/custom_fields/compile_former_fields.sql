/*
 * Removes the expired former names of one entity type's custom fields, and compiles its functions
 * again. Readers and writers continue; changes of definitions wait. Called by
 * crm_private.expire_former_fields and crm_private.set_former_field_retention.
 */
create or replace function crm_private.compile_former_fields(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
begin
  execute format(
    'lock table %s in share update exclusive mode', crm_private.entity_table(p_entity_type)
  );

  delete from crm_private.former_custom_fields as former
  where former.entity_type = p_entity_type
    and not exists (
      select
      from crm_private.live_former_fields as live
      where live.entity_type = former.entity_type and live.name = former.name
    );

  perform crm_private.compile_custom_field_functions(p_entity_type);
end
$$;

comment on function crm_private.compile_former_fields(text) is
  'Removes the expired former names of an entity type''s custom fields, and compiles its functions.';

revoke all on function crm_private.compile_former_fields(text) from public;
