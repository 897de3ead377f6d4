/*
 * Returns the custom fields of several rows in one object. Each has its value in the first row that
 * has the field.
 */
create or replace function crm_private.merged_custom_fields(p_objects jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(key, value), '{}')
  from (
    select distinct on (member.key) member.key, member.value
    from unnest(p_objects) with ordinality as object (value, rank)
    cross join lateral jsonb_each(object.value) as member
    order by member.key, object.rank
  ) as first;
$$;

comment on function crm_private.merged_custom_fields(jsonb[]) is
  'Returns the custom fields of several rows in one object, each with its first value.';

revoke all on function crm_private.merged_custom_fields(jsonb[]) from public;
grant execute on function crm_private.merged_custom_fields(jsonb[]) to crm_member;
