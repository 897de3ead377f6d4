/*
 * Returns for how many seconds the oldest unsealed audit log entry has waited; 0 if there is none.
 * The value grows while no server seals, while another session holds the lock of the seals, and
 * while a transaction that has written stays open. Called by the metrics of the server and by
 * doctor.
 *
 * Security definer: crm_server has no rights of its own on the audit log.
 */
create or replace function crm_private.unsealed_seconds()
returns double precision
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select extract(epoch from clock_timestamp() - audit_log."timestamp")::double precision
      from crm.audit_logs as audit_log
      where audit_log.id > (select sealed_to from crm_private.audit_log_progress)
      order by audit_log.id
      limit 1
    ),
    0
  );
$$;

comment on function crm_private.unsealed_seconds() is
  'Returns for how many seconds the oldest unsealed audit log entry has waited.';

revoke all on function crm_private.unsealed_seconds() from public;
grant execute on function crm_private.unsealed_seconds() to crm_server;
