/* Returns the audit log and the months that were detached from it and are still in the database. */
create or replace function crm_private.audit_log_tables()
returns setof regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'crm.audit_logs'::regclass
  union all
  select class.oid::regclass
  from pg_class as class
  where class.relnamespace = 'crm_private'::regnamespace
    and class.relkind = 'r'
    and class.relname ~ '^audit_logs_\d{4}_\d{2}$'
    and not class.relispartition;
$$;

comment on function crm_private.audit_log_tables() is
  'Returns the audit log and its detached months.';

revoke all on function crm_private.audit_log_tables() from public;
