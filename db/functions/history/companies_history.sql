/*
 * The history of a row: GraphQL's field history. That of what was merged into it is part of it.
 */
create or replace function crm.companies_history(record crm.companies)
returns setof crm.audit_logs
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select audit_log.*
  from crm.audit_logs as audit_log
  where audit_log.entity_id = any (crm_private.merged_ids('company', record.id))
  order by audit_log.id;
$$;

comment on function crm.companies_history(crm.companies) is
  'Everything that was done to it, and to what was merged into it, the oldest first. entityId tells '
  'which of them an entry is about.';

revoke all on function crm.companies_history(crm.companies) from public;
grant execute on function crm.companies_history(crm.companies) to crm_reader;
