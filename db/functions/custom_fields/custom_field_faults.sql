/*
 * Returns every fault of the custom fields of each row of a list, given as jsonb, with the place of
 * the row from 1: keys that are not defined, values that break their definition, required fields
 * without a value. Returns none for tables without custom fields. The definitions are read once,
 * for any number of rows. Called by crm_private.row_faults.
 */
create or replace function crm_private.custom_field_faults(p_table regclass, p_rows jsonb[])
returns table (place bigint, field text, message text, constraint_name text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can. The checker
-- cannot see what they return.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
  v_known text[];
  v_asked text;
begin
  select
    coalesce(array_agg(distinct d.name), '{}'),
    string_agg(
      format('(%L, %L, %L, %s)', d.name, asked.rule, asked.message, asked.condition), E',\n'
    )
  into v_known, v_asked
  from crm.custom_field_definitions as d
  left join lateral crm_private.custom_field_checks(d) as asked on true
  where crm_private.entity_table(d.entity_type) = p_table;

  return query execute format(
    $query$
      with input as (
        select listed.place, listed.item -> 'custom_fields' as custom_fields
        from unnest($1) with ordinality as listed (item, place)
        where jsonb_typeof(listed.item -> 'custom_fields') = 'object'
      )
      select input.place, 'customFields.' || asked.name, asked.message, %L || asked.rule
      from input
      cross join lateral (values %s) as asked (name, rule, message, holds)
      where not asked.holds

      union all

      select
        input.place,
        'customFields.' || key,
        case
          when former.name is null then 'is not a custom field of this entity type'
          when former.current_name is null then 'was deleted on ' || former.ended_on
          else 'is the former name of ' || former.current_name || ', which is given as well'
        end,
        %L || 'known'
      from input
      cross join lateral jsonb_object_keys(input.custom_fields - $2) as key
      left join crm_private.live_former_fields as former
        on former.name = key and crm_private.entity_table(former.entity_type) = $3

      order by 1, 2, 3
    $query$,
    v_table || '_custom_fields_',
    coalesce(v_asked, '(null, null, null, true)'),
    v_table || '_custom_fields_'
  ) using p_rows, v_known, p_table;
end
$$;

comment on function crm_private.custom_field_faults(regclass, jsonb[]) is
  'Returns every fault of the custom fields of a list of rows: the place of the row, the field, '
  'the message and the rule.';

revoke all on function crm_private.custom_field_faults(regclass, jsonb[]) from public;
