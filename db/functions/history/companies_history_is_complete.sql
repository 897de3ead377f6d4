/* Whether the history of a row has all of it, or begins with what was archived. */
create or replace function crm.companies_history_is_complete(record crm.companies)
returns boolean
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return record.created_at >= coalesce(crm.journal_kept_since(), '-infinity');
end
$$;

comment on function crm.companies_history_is_complete(crm.companies) is
  E'@notNull\n@behavior -filterBy -orderBy -aggregate -aggregate:filterBy -groupBy -havingBy\n'
  'Whether its history has everything that was done to it. If not, what was done before '
  'journalKeptSince has been archived.';

revoke all on function crm.companies_history_is_complete(crm.companies) from public;
grant execute on function crm.companies_history_is_complete(crm.companies) to crm_reader;
