/* Returns the companies of a group: the field companies in GraphQL. */
create or replace function crm.duplicate_group_companies(record crm.duplicate_group)
returns setof crm.companies
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select company.*
  from crm.companies as company
  where record.entity_type = 'company'
    and company.id = any (record.ids)
  order by company.created_at, company.id;
$$;

comment on function crm.duplicate_group_companies(crm.duplicate_group) is
  E'@behavior -queryField\n@defaultOrder CREATED_AT_ASC\n'
  'The companies of the group, the oldest first. Empty for a group of contacts.';

revoke all on function crm.duplicate_group_companies(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_companies(crm.duplicate_group) to crm_reader;
