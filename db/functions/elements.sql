/*
 * The elements of a JSON array or the members of a JSON object, one a row: what a message quotes
 * (the element, or the member's key) and the array or object that holds it alone.
 * Anything else has no elements. Called by crm_private.row_faults.
 */
create or replace function crm_private.elements(p_value jsonb)
returns table (value jsonb, alone jsonb)
language sql
immutable
parallel safe
set search_path = ''
as $$
  select element, jsonb_build_array(element)
  from jsonb_array_elements(case jsonb_typeof(p_value) when 'array' then p_value end) as element

  union all

  select to_jsonb(member.key), jsonb_build_object(member.key, member.value)
  from jsonb_each(case jsonb_typeof(p_value) when 'object' then p_value end) as member;
$$;

comment on function crm_private.elements(jsonb) is
  'The elements of a JSON array or the members of an object, each with the value holding it alone.';

revoke all on function crm_private.elements(jsonb) from public;
