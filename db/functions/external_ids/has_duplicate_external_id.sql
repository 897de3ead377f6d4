/*
 * Returns true if a list contains an external id twice. Check constraints call it only for lists of
 * several.
 */
create or replace function crm_private.has_duplicate_external_id(value crm.external_id[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select count(*) <> count(distinct (element.source, element.id))
    filter (where element.source is not null or element.id is not null)
  from unnest(value) as element;
$$;

comment on function crm_private.has_duplicate_external_id(crm.external_id[]) is
  'Returns true if the list contains an external id twice.';

revoke all on function crm_private.has_duplicate_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_duplicate_external_id(crm.external_id[]) to crm_member;
