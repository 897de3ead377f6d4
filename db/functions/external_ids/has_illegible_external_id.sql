/*
 * Returns true if the source or the id of an external id of a list is not legible
 * (crm_private.is_legible). Check constraints call it only for lists with unusual characters.
 */
create or replace function crm_private.has_illegible_external_id(value crm.external_id[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    bool_or(not (crm_private.is_legible(element.source) and crm_private.is_legible(element.id))),
    false
  )
  from unnest(value) as element;
$$;

comment on function crm_private.has_illegible_external_id(crm.external_id[]) is
  'Returns true if an external id of the list contains characters that cannot be seen.';

revoke all on function crm_private.has_illegible_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_illegible_external_id(crm.external_id[]) to crm_member;
