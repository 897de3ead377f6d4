/* Returns the contacts of a group: the field contacts in GraphQL. */
create or replace function crm.duplicate_group_contacts(record crm.duplicate_group)
returns setof crm.contacts
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select contact.*
  from crm.contacts as contact
  where record.entity_type = 'contact'
    and contact.id = any (record.ids)
  order by contact.created_at, contact.id;
$$;

comment on function crm.duplicate_group_contacts(crm.duplicate_group) is
  E'@behavior -queryField\n@defaultOrder CREATED_AT_ASC\n'
  'The contacts of the group, the oldest first. Empty for a group of companies.';

revoke all on function crm.duplicate_group_contacts(crm.duplicate_group) from public;
grant execute on function crm.duplicate_group_contacts(crm.duplicate_group) to crm_reader;
