/* Returns true if an element of an array is not legible (crm_private.is_legible). */
create or replace function crm_private.has_illegible_element(value text[])
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most arrays have printable ASCII characters only.
  if array_to_string(value, ' ') !~ '[^ -~]' then
    return false;
  end if;
  return (
    select coalesce(bool_or(not crm_private.is_legible(element)), false)
    from unnest(value) as element
  );
end
$$;

comment on function crm_private.has_illegible_element(text[]) is
  'Returns true if an element of the array contains characters that cannot be seen.';

revoke all on function crm_private.has_illegible_element(text[]) from public;
grant execute on function crm_private.has_illegible_element(text[]) to crm_member;
