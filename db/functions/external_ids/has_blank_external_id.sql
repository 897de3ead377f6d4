/*
 * Returns true if an external id of a list has a blank or null source or id (crm_private.is_blank).
 */
create or replace function crm_private.has_blank_external_id(value crm.external_id[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most lists are empty, or have only these characters.
  if value::text ~ '^\{(?:"\([A-Za-z0-9._:/@+=~#-]+,[A-Za-z0-9._:/@+=~#-]+\)",?)*\}$' then
    return false;
  end if;
  return (
    select coalesce(
      bool_or(
        crm_private.is_blank(coalesce(element.source, ''))
          or crm_private.is_blank(coalesce(element.id, ''))
      ),
      false
    )
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_blank_external_id(crm.external_id[]) is
  'Returns true if an external id of the list lacks its source or its id.';

revoke all on function crm_private.has_blank_external_id(crm.external_id[]) from public;
grant execute on function crm_private.has_blank_external_id(crm.external_id[]) to crm_member;
