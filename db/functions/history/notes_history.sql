/* The history of a row: GraphQL's field history. */
create or replace function crm.notes_history(record crm.notes)
returns setof crm.audit_logs
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = record.id
  order by audit_log.id;
$$;

comment on function crm.notes_history(crm.notes) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.notes_history(crm.notes) from public;
grant execute on function crm.notes_history(crm.notes) to crm_reader;
