/*
 * Returns the number of characters of an array's longest element, 0 for an empty array. Checks call
 * it only for arrays whose elements are long together, so that most rows do not pay for a subquery.
 */
create or replace function crm_private.longest_element(value text[])
returns integer
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select (select coalesce(max(char_length(element)), 0) from unnest(value) as element);
$$;

comment on function crm_private.longest_element(text[]) is
  'Returns the number of characters of the longest element, 0 for an empty array.';

revoke all on function crm_private.longest_element(text[]) from public;
grant execute on function crm_private.longest_element(text[]) to crm_member;
