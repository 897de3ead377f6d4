/*
 * Reverts crm_private.register_entity: removes the objects that were compiled for an entity, its
 * custom fields, its external ids and its row in crm_private.entity_types, so that the table can be
 * dropped. The rows of the table stay. So do its audit log entries, which only administrators can
 * read afterwards.
 */
create or replace function crm_private.unregister_entity(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from quoted names, which plpgsql_check cannot see.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table regclass := crm_private.entity_table(p_entity_type);
  v_name  text     := (select relname::text from pg_class where oid = v_table);
  v_drop  text;
begin
  delete from crm.custom_field_definitions where entity_type = p_entity_type;
  delete from crm_private.former_custom_fields where entity_type = p_entity_type;
  perform crm_private.compile_custom_field_functions(p_entity_type);
  delete from crm_private.external_ids where entity_type = p_entity_type;
  delete from crm_private.entity_types where entity_type = p_entity_type;
  perform crm_private.compile_entity_lookups();
  perform crm_private.allow_definitions();
  perform crm_private.compile_search();

  execute format('drop view if exists reporting.%I', v_name);
  execute format('drop view if exists crm_private.%I', v_name || '_copy');

  for v_drop in
    select format('drop trigger %I on %s', tgname, tgrelid::regclass)
    from pg_trigger
    where tgrelid = v_table and not tgisinternal
  loop
    execute v_drop;
  end loop;

  for v_drop in
    select format('drop function %s', oid::regprocedure)
    from pg_proc
    where pronamespace = 'crm'::regnamespace
      and proname in (
        v_name || '_history', v_name || '_field_history', v_name || '_history_is_complete',
        p_entity_type || '_as_of', p_entity_type || '_by_external_id',
        v_name || '_by_external_ids'
      )
      or pronamespace = 'crm_private'::regnamespace
      and proname in (
        v_name || '_hold', v_name || '_validate', v_name || '_stamp', v_name || '_audit_log',
        v_name || '_copied', v_name || '_custom_fields_hold'
      )
  loop
    execute v_drop;
  end loop;
end
$$;

comment on function crm_private.unregister_entity(text) is
  'Removes everything that was compiled for an entity, so that its table can be dropped.';

revoke all on function crm_private.unregister_entity(text) from public;
