/* Returns true if two elements of an array are equal. */
create or replace function crm_private.has_duplicates(value text[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select count(*) <> count(distinct element) from unnest(value) as element;
$$;

comment on function crm_private.has_duplicates(text[]) is
  'Returns true if two elements of the array are equal.';

revoke all on function crm_private.has_duplicates(text[]) from public;
grant execute on function crm_private.has_duplicates(text[]) to crm_member;
