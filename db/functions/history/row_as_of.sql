/*
 * Returns a row as it was at an instant, as jsonb; null if it did not exist then. p_current is the
 * present row, null if it was deleted. Called by the functions crm.<entity type>_as_of.
 * search_document and match_keys are null: the past is not searched, also not for duplicates.
 *
 * It works backwards: from the present row, or from the first deletion after the instant, it
 * reverts every later update. So it needs the audit log from that instant on and no earlier, and
 * old months can be archived. Raises if the instant is before the audit log, or if an entry that it
 * needs has been erased, unless that is a deletion.
 *
 * Runs with the caller's rights: a role that can read the history of a row can read what follows
 * from it.
 */
create or replace function crm_private.row_as_of(
  p_entity_type text,
  p_entity_id   uuid,
  p_at          timestamptz,
  p_current     jsonb
)
returns jsonb
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row     jsonb := p_current;
  v_first   text;
  v_deleted bigint;
  v_changed jsonb;
  v_custom  jsonb;
  v_updates integer;
  v_erased  bigint;
  v_stamp   record;
begin
  if p_at < crm.audit_log_kept_since() then
    raise exception '% % at % cannot be reconstructed: the audit log begins at %',
        p_entity_type, p_entity_id, p_at, crm.audit_log_kept_since()
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}',
            hint       = 'Choose an instant from crm.audit_log_kept_since() on.';
  end if;

  select
    (array_agg(action order by id))[1],
    min(id) filter (where action = 'delete'),
    coalesce((array_agg(changes order by id) filter (where action = 'delete'))[1], p_current)
  into v_first, v_deleted, v_row
  from crm.audit_logs
  where entity_id = p_entity_id
    and entity_type = p_entity_type
    and "timestamp" > p_at;

  if v_first = 'create' or v_row is null then
    return null;
  end if;

  -- The entry of a purged deletion has no values any more, but earlier entries still have theirs.
  if v_row = '{}' then
    return crm_private.completed_row(
      crm_private.entity_table(p_entity_type),
      crm_private.row_from_creation(p_entity_type, p_entity_id, p_at)
    );
  end if;

  -- The first later change of a field has the value of then; further ones do not matter.
  with since as (
    select id, action, changes, erased_at
    from crm.audit_logs
    where entity_id = p_entity_id
      and entity_type = p_entity_type
      and "timestamp" > p_at
      and action <> 'create'
      and (v_deleted is null or id <= v_deleted)
  ),
  was as (
    select distinct on (told.key) told.key, told.value -> 'old' as value
    from since
    cross join lateral jsonb_each(since.changes - '@undoes') as told
    where since.action = 'update'
    order by told.key, since.id
  )
  select
    (select min(id) from since where erased_at is not null),
    (select count(*)::integer from since where action = 'update'),
    coalesce(jsonb_object_agg(key, value) filter (where key not like 'custom\_fields.%'), '{}'),
    jsonb_object_agg(substr(key, 15), value) filter (where key like 'custom\_fields.%')
  into v_erased, v_updates, v_changed, v_custom
  from was;

  if v_erased is not null then
    raise exception '% % at % cannot be reconstructed: entry % of the audit log has been erased',
        p_entity_type, p_entity_id, p_at, v_erased
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'changes',
            constraint = 'audit_logs_changes_erased',
            detail     = '{"at": ["is before values that have been erased for good"]}',
            hint       = 'Choose an instant after the entries that have been erased.';
  end if;

  if (v_row ->> 'created_at')::timestamptz > p_at then
    return null;
  end if;

  v_row := v_row || v_changed;

  if v_custom is not null then
    v_row := v_row || jsonb_build_object(
      'custom_fields', jsonb_strip_nulls((v_row -> 'custom_fields') || v_custom)
    );
  end if;

  v_row := crm_private.completed_row(crm_private.entity_table(p_entity_type), v_row);

  if v_updates = 0 then
    return v_row;
  end if;

  select
    log."timestamp" as updated_at,
    coalesce(case log.action when 'create' then log.changes ->> 'updated_by' end, log.user_id)
      as updated_by
  into v_stamp
  from crm.audit_logs as log
  where log.entity_id = p_entity_id
    and log.entity_type = p_entity_type
    and log."timestamp" <= p_at
    and log.action <> 'erase'
  order by log.id desc
  limit 1;

  if not found then
    raise exception '% % at % cannot be reconstructed: the audit log does not go back that far',
        p_entity_type, p_entity_id, p_at
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'audit_logs', column = 'timestamp',
            constraint = 'audit_logs_timestamp_retired',
            detail     = '{"at": ["is before what the audit log still has"]}',
            hint       = 'Choose a later instant.';
  end if;

  return v_row || jsonb_build_object(
    'version', (v_row ->> 'version')::integer - v_updates,
    'updated_at', v_stamp.updated_at,
    'updated_by', v_stamp.updated_by
  );
end
$$;

comment on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) is
  'Returns a row as it was at an instant; null if it did not exist then.';

revoke all on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) from public;
grant execute on function crm_private.row_as_of(text, uuid, timestamptz, jsonb) to crm_reader;
