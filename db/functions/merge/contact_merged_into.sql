/* Follows the id of a merged contact to the one that is left: crm.merged_into, with the row. */
create or replace function crm.contact_merged_into(id uuid)
returns crm.contacts
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select record.*
  from crm.contacts as record
  where record.id = crm_private.merged_into('contact', contact_merged_into.id);
$$;

comment on function crm.contact_merged_into(uuid) is
  'The contact that one was merged into, through however many merges; null if it was not merged, is back, '
  'or the one that was left is gone.';

revoke all on function crm.contact_merged_into(uuid) from public;
grant execute on function crm.contact_merged_into(uuid) to crm_reader;
