/*
 * Purges deletions before a time: removes the values from their audit log entries, so that the rows
 * cannot be restored. The oldest first; at most p_limit, or all if it is null. Returns their
 * number. Called by crm_private.purge_trash and crm_private.maintain_audit_log.
 */
create or replace function crm_private.purge_deletions(
  p_before timestamptz,
  p_limit  bigint default null
)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entries crm.audit_logs[];
  v_count   integer;
  v_at      timestamptz;
begin
  perform crm_private.refuse_old_snapshot('purge_trash');
  perform crm_private.lock_seals();

  select array_agg(entry::crm.audit_logs order by entry."timestamp"), count(*)::integer
  into v_entries, v_count
  from (
    select *
    from crm.audit_logs as audit_log
    where audit_log.action = 'delete'
      and audit_log.erased_at is null
      and audit_log."timestamp" < p_before
    order by audit_log."timestamp"
    limit p_limit
    for update
  ) as entry;

  if v_count = 0 then
    return 0;
  end if;

  v_at := clock_timestamp();
  perform crm_private.scrub_entries('crm.audit_logs', v_entries, v_at);
  perform crm_private.log_event(
    'audit_log', 'purge',
    jsonb_build_object(
      'before', v_entries[v_count]."timestamp" + interval '1 microsecond', 'entries', v_count
    ),
    v_at
  );
  return v_count;
end
$$;

comment on function crm_private.purge_deletions(timestamptz, bigint) is
  'Removes the values from the entries of deletions before a time; returns their number.';

revoke all on function crm_private.purge_deletions(timestamptz, bigint) from public;
