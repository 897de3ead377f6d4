/*
 * From when on the audit log is here; null if nothing of it was ever archived. Security definer:
 * everybody has to know it, while the entry that says it is for administrators.
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
  'What crm.audit_log_kept_since calls, with the rights of the owner.';

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
  'From when on the audit log is kept here: what was done before has been archived. '
  'Null if nothing was.';

revoke all on function crm.audit_log_kept_since() from public;
grant execute on function crm.audit_log_kept_since() to crm_reader;
