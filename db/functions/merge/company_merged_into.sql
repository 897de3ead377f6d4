/* Follows the id of a merged company to the one that is left: crm.merged_into, with the row. */
create or replace function crm.company_merged_into(id uuid)
returns crm.companies
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select record.*
  from crm.companies as record
  where record.id = crm_private.merged_into('company', company_merged_into.id);
$$;

comment on function crm.company_merged_into(uuid) is
  'The company that one was merged into, through however many merges; null if it was not merged, is back, '
  'or the one that was left is gone.';

revoke all on function crm.company_merged_into(uuid) from public;
grant execute on function crm.company_merged_into(uuid) to crm_reader;
