/*
 * Returns the ids of the entries that are no longer in the audit log because their months were
 * archived. The last entry of crm_private.archive_audit_log lists all of them.
 */
create or replace function crm_private.archived_entries()
returns int8multirange
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select (audit_log.changes ->> 'ids')::int8multirange
      from crm.audit_logs as audit_log
      where audit_log.entity_id = '00000000-0000-0000-0000-000000000000'
        and audit_log.action = 'archive'
      order by audit_log.id desc
      limit 1
    ),
    '{}'
  );
$$;

comment on function crm_private.archived_entries() is
  'Returns the ids of the archived audit log entries.';

revoke all on function crm_private.archived_entries() from public;
