/*
 * Lets PostgreSQL collect statistics of the values of each custom field of an entity type, so that
 * the planner estimates a filter on a field like one on a column. Without them, it expects that half
 * a percent of the rows match, and sorts them rather than read the first ones in the order of an
 * index. Autovacuum fills them in.
 *
 * Statistics are on the expression of a field, which is their comment, and their name consists of
 * the id of the definition, like that of the index. There are none for lists of values. Called by
 * crm_private.compile_custom_fields when the definitions of the type change.
 */
create or replace function crm_private.compile_statistics(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table  regclass := crm_private.entity_table(p_entity_type);
  v_change text;
begin
  for v_change in
    with wanted as (
      select
        crm_private.custom_field_index_name(definition) as name,
        crm_private.custom_field_value(definition)      as value
      from crm.custom_field_definitions as definition
      where definition.entity_type = p_entity_type
        and definition.field_type <> 'multi_enum'
    ),
    present as (
      select stxname::text as name, obj_description(oid, 'pg_statistic_ext') as value
      from pg_statistic_ext
      where stxrelid = v_table
        and stxname ~ '_custom_[0-9a-f]{32}$'
    )
    (
      select format('drop statistics crm.%I', name)
      from (table present except table wanted) as gone
    )
    union all
    (
      select format(
        'create statistics crm.%1$I on (%2$s) from %3$s; comment on statistics crm.%1$I is %2$L',
        name, value, v_table
      )
      from (table wanted except table present) as missing
    )
  loop
    execute v_change;
  end loop;
end
$$;

comment on function crm_private.compile_statistics(text) is
  'Creates and drops the statistics of custom fields of an entity type according to its definitions.';

revoke all on function crm_private.compile_statistics(text) from public;
