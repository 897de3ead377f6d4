/*
 * Refuses an update of a row, given as jsonb before and after. Raises check_violation if it changes
 * the id. Otherwise raises CRM01, because it has another version than the row; the detail has the
 * present version. Called by the triggers that stamp, for such updates only.
 */
create or replace function crm_private.refuse_update(
  p_table       text,
  p_entity_type text,
  p_old         jsonb,
  p_new         jsonb
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_updated_at timestamptz := (p_old ->> 'updated_at')::timestamptz;
begin
  if p_new -> 'id' <> p_old -> 'id' then
    raise exception 'the id of a row in crm.% cannot be changed', p_table
      using errcode    = 'check_violation',
            schema     = 'crm', table = p_table, column = 'id',
            constraint = p_table || '_id_immutable',
            detail     = '{"id": ["cannot be changed"]}',
            hint       = 'Leave the id out of the update.';
  end if;

  raise exception '% % was changed since: it has version %, not %',
      p_entity_type, p_old ->> 'id', p_old -> 'version', p_new -> 'version'
    using errcode    = 'CRM01',
          schema     = 'crm', table = p_table, column = 'version',
          constraint = p_table || '_version_current',
          detail     = jsonb_build_object(
                         'version', p_old -> 'version',
                         'updatedAt', to_char(
                           v_updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
                         ),
                         'updatedBy', p_old -> 'updated_by'
                       ),
          hint       = 'Read the row again and repeat the change with its present version.';
end
$$;

comment on function crm_private.refuse_update(text, text, jsonb, jsonb) is
  'Refuses an update with another id or an outdated version, given the row before and after.';

revoke all on function crm_private.refuse_update(text, text, jsonb, jsonb) from public;
grant execute on function crm_private.refuse_update(text, text, jsonb, jsonb) to crm_member;
