/*
 * What has to be done for the audit log from time to time, beside sealing: makes partitions before they
 * are needed, and purges what was deleted longer ago than the setting says. At most 10,000 deletions
 * at a time, lest writers of the audit log's blocks wait for long; gives their number, so that the
 * caller can go on. The server calls it every hour. Several may call it at once.
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
  -- What a bulk write found faulty it takes away itself; this was left by somebody who is none.
  delete from crm_private.faulty_rows;
  return crm_private.purge_deletions(
    clock_timestamp() - make_interval(days => crm.trash_retention_days()), 10000
  );
end
$$;

comment on function crm_private.maintain_audit_log() is
  'Makes the partitions that will be needed, and purges the trash; gives how many deletions.';

revoke all on function crm_private.maintain_audit_log() from public;
grant execute on function crm_private.maintain_audit_log() to crm_server;
