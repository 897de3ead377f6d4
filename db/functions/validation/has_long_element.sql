/* Returns true if an element of an array has more characters than the given maximum. */
create or replace function crm_private.has_long_element(value text[], max_length integer)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most arrays are short altogether.
  if char_length(array_to_string(value, '')) <= max_length then
    return false;
  end if;
  return (
    select coalesce(bool_or(char_length(element) > max_length), false)
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_long_element(text[], integer) is
  'Returns true if an element of the array has more characters than the given maximum.';

revoke all on function crm_private.has_long_element(text[], integer) from public;
grant execute on function crm_private.has_long_element(text[], integer) to crm_member;
