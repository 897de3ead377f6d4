/*
 * Returns the elements of a JSON array or the members of a JSON object, in order: the position from
 * 0, or the key by which a client finds it; the value that a message quotes (the element, or the
 * member's key); and an array or object that contains only this element. Any other value has no
 * elements. Called by crm_private.row_faults.
 */
create or replace function crm_private.elements(p_value jsonb)
returns table (ordinal bigint, key text, value jsonb, alone jsonb)
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    element.ordinal, (element.ordinal - 1)::text, element.value, jsonb_build_array(element.value)
  from jsonb_array_elements(case jsonb_typeof(p_value) when 'array' then p_value end)
    with ordinality as element (value, ordinal)

  union all

  select
    member.ordinal, member.key, to_jsonb(member.key), jsonb_build_object(member.key, member.value)
  from jsonb_each(case jsonb_typeof(p_value) when 'object' then p_value end)
    with ordinality as member (key, value, ordinal);
$$;

comment on function crm_private.elements(jsonb) is
  'Returns the elements of a JSON array or the members of an object, each with its key and a value '
  'that contains only it.';

revoke all on function crm_private.elements(jsonb) from public;
