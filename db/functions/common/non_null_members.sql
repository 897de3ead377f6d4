/*
 * Returns the members of a JSON object that are not null: of an input, the fields that were given.
 * Called by crm.create_deal_with_tasks.
 */
create or replace function crm_private.non_null_members(p_object jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(key, value) filter (where value <> 'null'), '{}')
  from jsonb_each(p_object);
$$;

comment on function crm_private.non_null_members(jsonb) is
  'Returns the members of a JSON object that are not null.';

revoke all on function crm_private.non_null_members(jsonb) from public;
grant execute on function crm_private.non_null_members(jsonb) to crm_member;
