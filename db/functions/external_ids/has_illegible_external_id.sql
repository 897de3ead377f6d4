/*
 * True if the source or the id of an external id of a list is not legible, as crm_private.is_legible
 * means it. Checks call it only where there are any.
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
  'True if an external id of the list holds what cannot be seen.';

revoke all on function crm_private.has_illegible_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_illegible_external_id(crm.external_id[]) to crm_member;
