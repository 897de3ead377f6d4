/*
 * True if an array is a plain list: one dimension at most, none of its elements null, and not
 * more of them than the limit. Inlined.
 */
create or replace function crm_private.is_list(value text[], max_elements integer)
returns boolean
language sql
immutable
parallel safe
return pg_catalog.cardinality(value) <= max_elements
  and coalesce(pg_catalog.array_ndims(value), 1) = 1
  and pg_catalog.array_position(value, null) is null;

comment on function crm_private.is_list(text[], integer) is
  'True if the array has one dimension, no null element and at most max_elements elements.';

revoke all on function crm_private.is_list(text[], integer) from public;
grant execute on function crm_private.is_list(text[], integer) to crm_member;
