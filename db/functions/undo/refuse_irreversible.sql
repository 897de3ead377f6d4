/*
 * Raises if the changes of an entity type cannot be undone. Called by the functions that take an
 * entity type and undo or restore.
 */
create or replace function crm_private.refuse_irreversible(p_entity_type text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not crm_private.is_reversible(p_entity_type) then
    perform crm_private.refuse_argument(
      'entityType',
      crm_private.fault_message('%s is not one of ', to_jsonb(p_entity_type)) || (
        select string_agg(entity_type, ', ' order by restore_order)
        from crm_private.entity_types
        where restore_order is not null
      ),
      'audit_logs_entity_type_known'
    );
  end if;
end
$$;

comment on function crm_private.refuse_irreversible(text) is
  'Raises if the changes of an entity type cannot be undone.';

revoke all on function crm_private.refuse_irreversible(text) from public;
