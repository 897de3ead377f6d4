/*
 * Returns true if an external id of a list has a blank or null source or id (crm_private.is_blank).
 * Check constraints call it only for lists with unusual characters.
 */
create or replace function crm_private.has_blank_external_id(value crm.external_id[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    bool_or(
      crm_private.is_blank(coalesce(element.source, ''))
        or crm_private.is_blank(coalesce(element.id, ''))
    ),
    false
  )
  from unnest(value) as element;
$$;

comment on function crm_private.has_blank_external_id(crm.external_id[]) is
  'Returns true if an external id of the list lacks its source or its id.';

revoke all on function crm_private.has_blank_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_blank_external_id(crm.external_id[]) to crm_member;
