/*
 * Returns the custom fields among the fields of a planned reversal: {"size": 3} for
 * {"custom_fields.size": 3}.
 */
create or replace function crm_private.custom_members(p_fields jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(substr(key, 15), value), '{}')
  from jsonb_each(p_fields)
  where key like 'custom\_fields.%';
$$;

comment on function crm_private.custom_members(jsonb) is
  'Returns the custom fields among the fields of a planned reversal.';

revoke all on function crm_private.custom_members(jsonb) from public;
