/*
 * Maintains the audit log, apart from sealing it: creates partitions before they are needed, and
 * purges rows that were deleted longer ago than the retention setting allows. Purges at most 10,000
 * deletions per call, so that writers of the blocks do not wait for long, and returns their number,
 * so that the caller can repeat the call. Called by the server every hour. Concurrent calls are
 * safe.
 *
 * Security definer: crm_server has no rights of its own on the audit log.
 */
create or replace function crm_private.maintain_audit_log()
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.ensure_audit_partitions();
  -- A bulk write deletes its own faulty rows; these were left by a session that is none.
  delete from crm_private.faulty_rows;
  return crm_private.purge_deletions(
    clock_timestamp() - make_interval(days => crm.trash_retention_days()), 10000
  );
end
$$;

comment on function crm_private.maintain_audit_log() is
  'Creates the partitions that will be needed and purges the trash; returns the number of '
  'deletions.';

revoke all on function crm_private.maintain_audit_log() from public;
grant execute on function crm_private.maintain_audit_log() to crm_server;
