/* Returns true if an element of an array is blank (crm_private.is_blank). */
create or replace function crm_private.has_blank_element(value text[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most arrays are empty, or have a visible ASCII character in each element.
  if value = '{}' or array_to_string(value, E'\n') !~ '(?:^|\n)[^!-~\n]*(?:\n|$)' then
    return false;
  end if;
  return (
    select coalesce(bool_or(crm_private.is_blank(element)), false) from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_blank_element(text[]) is
  'Returns true if an element of the array is blank.';

revoke all on function crm_private.has_blank_element(text[]) from public;
grant execute on function crm_private.has_blank_element(text[]) to crm_member;
