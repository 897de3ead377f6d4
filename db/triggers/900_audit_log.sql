/*
 * Phase 900: the audit log. The trigger fires once for each statement, regardless of its role and
 * its number of rows, and also for cascades and COPY. An update that changed nothing has no entry.
 * crm_private.compile_audit_log describes the content of an entry.
 */

/*
 * TRUNCATE passes no rows to triggers, so the audit log could not record it. It is refused for
 * every entity and for the audit log itself; crm_private.ensure_audit_partitions creates this
 * trigger on the other partitions.
 */
create or replace function crm_private.refuse_truncate()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'crm.% cannot be truncated; the audit log would not record it', tg_table_name
    using errcode    = 'feature_not_supported',
          schema     = tg_table_schema, table = tg_table_name,
          constraint = tg_table_name || '_truncate_logged',
          hint       = 'Delete the rows instead.';
end
$$;

comment on function crm_private.refuse_truncate() is
  'Refuses TRUNCATE, which the audit log cannot record.';

revoke all on function crm_private.refuse_truncate() from public;

create or replace trigger _900_refuse_truncate before truncate on crm.audit_logs
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm_private.audit_logs_other
  for each statement execute function crm_private.refuse_truncate();

select crm_private.compile_audit_log(entity_table, entity_type) from crm_private.entity_types;
