/*
 * Returns the external ids of several rows in one list, in order. No id occurs twice, because no
 * two rows share one. p_lists is an array of arrays. Called by merges.
 */
create or replace function crm_private.merged_external_ids(p_lists jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(element.value order by list.row, element.position), '[]')
  from jsonb_array_elements(p_lists) with ordinality as list (value, row)
  cross join lateral jsonb_array_elements(list.value) with ordinality as element (value, position);
$$;

comment on function crm_private.merged_external_ids(jsonb) is
  'Returns the external ids of several rows in one list.';

revoke all on function crm_private.merged_external_ids(jsonb) from public;
grant execute on function crm_private.merged_external_ids(jsonb) to crm_member;
