/*
 * Returns the time since which the audit log is complete; null if nothing was ever archived.
 * Security definer: every role needs it, but only administrators can read the entry that records
 * it.
 */
create or replace function crm_private.audit_log_kept_since()
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select (audit_log.changes ->> 'before')::timestamptz
  from crm.audit_logs as audit_log
  where audit_log.entity_id = '00000000-0000-0000-0000-000000000000'
    and audit_log.action = 'archive'
  order by audit_log.id desc
  limit 1;
$$;

comment on function crm_private.audit_log_kept_since() is
  'Implements crm.audit_log_kept_since with the rights of the owner.';

revoke all on function crm_private.audit_log_kept_since() from public;
grant execute on function crm_private.audit_log_kept_since() to crm_reader;

create or replace function crm.audit_log_kept_since()
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.audit_log_kept_since();
$$;

comment on function crm.audit_log_kept_since() is
  'The audit log is complete from this time on; earlier entries were archived. Null if none were.';

revoke all on function crm.audit_log_kept_since() from public;
grant execute on function crm.audit_log_kept_since() to crm_reader;
