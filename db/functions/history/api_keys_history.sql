/* The history of a row: GraphQL's field history. */
create or replace function crm.api_keys_history(record crm.api_keys)
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

comment on function crm.api_keys_history(crm.api_keys) is
  'Everything that was done to it, the oldest first.';

revoke all on function crm.api_keys_history(crm.api_keys) from public;
grant execute on function crm.api_keys_history(crm.api_keys) to crm_admin;
