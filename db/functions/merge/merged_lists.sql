/*
 * Returns several lists as one, as JSON: the elements of the first list unchanged, then the
 * elements that the others add, in order. p_lists is an array of arrays; null means that no row has
 * a list, and returns null.
 */
create or replace function crm_private.merged_lists(p_lists jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_lists is not null then coalesce(jsonb_agg(value order by row, position), '[]')
  end
  from (
    select
      list.row,
      element.position,
      element.value,
      row_number() over (
        partition by element.value order by list.row, element.position
      ) as occurrence
    from jsonb_array_elements(p_lists) with ordinality as list (value, row)
    cross join lateral jsonb_array_elements(list.value) with ordinality
      as element (value, position)
  ) as listed
  where row = 1 or occurrence = 1;
$$;

comment on function crm_private.merged_lists(jsonb) is
  'Returns several lists as one, without elements that it already has.';

revoke all on function crm_private.merged_lists(jsonb) from public;
grant execute on function crm_private.merged_lists(jsonb) to crm_member;
