/*
 * Returns true if a text among the members of an object has one of
 * crm_private.unprintable_characters.
 */
create or replace function crm_private.has_unprintable_member(value jsonb)
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(bool_or(member.value ~ ('[' || crm_private.unprintable_characters() || ']')), false)
  from jsonb_each_text(case jsonb_typeof(value) when 'object' then value end) as member;
$$;

comment on function crm_private.has_unprintable_member(jsonb) is
  'Returns true if a text among the members of the object has control characters, or reorders the '
  'text.';

revoke all on function crm_private.has_unprintable_member(jsonb) from public;
grant execute on function crm_private.has_unprintable_member(jsonb) to crm_member;
