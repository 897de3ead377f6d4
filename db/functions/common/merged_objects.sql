/*
 * Merges JSON objects into one. If several objects have a member, the value of the last one counts.
 */
create or replace function crm_private.merged_objects(p_objects jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(member.key, member.value order by listed.ordinal)
  from unnest(p_objects) with ordinality as listed (object, ordinal)
  cross join lateral jsonb_each(listed.object) as member;
$$;

comment on function crm_private.merged_objects(jsonb[]) is
  'Merges JSON objects into one; if several have a member, the value of the last one counts.';

revoke all on function crm_private.merged_objects(jsonb[]) from public;
grant execute on function crm_private.merged_objects(jsonb[]) to crm_member;
