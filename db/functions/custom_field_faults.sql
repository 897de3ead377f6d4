/*
 * Every fault of an object of custom fields: keys that are not defined, values that break their
 * definition, required fields without one. None for tables that carry no custom fields.
 * Called by crm_private.row_faults.
 */
create or replace function crm_private.custom_field_faults(p_table regclass, p_custom_fields jsonb)
returns table (field text, message text, constraint_name text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can; what they
-- return cannot be told.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
  v_asked text;
begin
  if jsonb_typeof(p_custom_fields) is distinct from 'object' then
    return;
  end if;

  select string_agg(
    format('(%L, %L, %L, %s)', d.name, asked.rule, asked.message, asked.condition), E',\n'
  )
  into v_asked
  from crm.custom_field_definitions as d
  cross join crm_private.custom_field_checks(d) as asked
  where crm_private.entity_table(d.entity_type) = p_table;

  return query execute format(
    $query$
      select 'customFields.' || asked.name, asked.message, %L || asked.rule
      from (select $1 as custom_fields) as record
      cross join lateral (values %s) as asked (name, rule, message, holds)
      where not asked.holds

      union all

      select
        'customFields.' || key, 'is not a custom field of this entity type', %L || 'known'
      from jsonb_object_keys($1) as key
      where not exists (
        select from crm.custom_field_definitions as d
        where d.name = key and crm_private.entity_table(d.entity_type) = $2
      )

      order by 1, 2
    $query$,
    v_table || '_custom_fields_',
    coalesce(v_asked, '(null, null, null, true)'),
    v_table || '_custom_fields_'
  ) using p_custom_fields, p_table;
end
$$;

comment on function crm_private.custom_field_faults(regclass, jsonb) is
  'Every fault of an object of custom fields of the table: the field, the message and the rule.';

revoke all on function crm_private.custom_field_faults(regclass, jsonb) from public;
