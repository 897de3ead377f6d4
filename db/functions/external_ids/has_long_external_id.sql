/*
 * Returns true if an external id of a list has a source or an id with more characters than the
 * given maximum. Check constraints call it only for long lists.
 */
create or replace function crm_private.has_long_external_id(
  value      crm.external_id[],
  max_source integer,
  max_id     integer
)
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    bool_or(char_length(element.source) > max_source or char_length(element.id) > max_id), false
  )
  from unnest(value) as element;
$$;

comment on function crm_private.has_long_external_id(crm.external_id[], integer, integer) is
  'Returns true if an external id of the list has a longer source or a longer id.';

revoke all on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  from public;
grant execute on function crm_private.has_long_external_id(crm.external_id[], integer, integer)
  to crm_member;
