/*
 * Returns true if an external id of a list has a source or an id with more characters than the
 * given maximum.
 */
create or replace function crm_private.has_long_external_id(
  value      crm.external_id[],
  max_source integer,
  max_id     integer
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most lists are short altogether.
  if char_length(value::text) <= least(max_source, max_id) then
    return false;
  end if;
  return (
    select coalesce(
      bool_or(char_length(element.source) > max_source or char_length(element.id) > max_id), false
    )
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_long_external_id(crm.external_id[], integer, integer) is
  'Returns true if an external id of the list has a longer source or a longer id.';

revoke all on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  from public;
grant execute on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  to crm_member;
