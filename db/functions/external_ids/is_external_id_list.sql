/*
 * Returns true if an array of external ids is a plain list: it has at most one dimension, no null
 * element, and at most max_elements elements.
 */
create or replace function crm_private.is_external_id_list(
  value        crm.external_id[],
  max_elements integer
)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return cardinality(value) <= max_elements
    and coalesce(array_ndims(value), 1) = 1
    and array_position(value, null) is null;
end
$$;

comment on function crm_private.is_external_id_list(crm.external_id[], integer) is
  'Returns true if the array has one dimension, no null element and at most max_elements '
  'external ids.';

revoke all on function crm_private.is_external_id_list(crm.external_id[], integer) from public;
grant execute on function crm_private.is_external_id_list(crm.external_id[], integer)
  to crm_member;
