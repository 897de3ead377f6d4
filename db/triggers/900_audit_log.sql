/*
 * Phase 900: the audit log. Once for each statement, whoever sends it and however many rows it
 * changes, cascades and COPY included. An update that changed nothing has no entry.
 * crm_private.compile_audit_log says what an entry holds.
 */

/*
 * TRUNCATE has no rows to audit log, so it is refused. Nor can the audit log itself
 * be emptied by it; crm_private.ensure_audit_partitions binds it to the other partitions.
 */
create or replace function crm_private.refuse_truncate()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'crm.% cannot be truncated, because the audit log would miss it', tg_table_name
    using errcode = 'feature_not_supported',
          schema  = tg_table_schema, table = tg_table_name,
          hint    = 'Delete the rows instead.';
end
$$;

comment on function crm_private.refuse_truncate() is
  'Refuses TRUNCATE, which the audit log could not tell.';

revoke all on function crm_private.refuse_truncate() from public;

create or replace trigger _900_refuse_truncate before truncate on crm.audit_logs
  for each statement execute function crm_private.refuse_truncate();
create or replace trigger _900_refuse_truncate before truncate on crm_private.audit_logs_other
  for each statement execute function crm_private.refuse_truncate();

select crm_private.compile_audit_log(entity_table, entity_type) from crm_private.entity_types;
