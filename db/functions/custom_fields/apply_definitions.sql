/*
 * Applies changed definitions of one entity type to its rows, and refuses definitions that existing
 * rows contradict. p_old and p_new are the definitions before and after the statement. Called by
 * crm_private.definitions_changed.
 *
 * Writers of the table wait until the transaction ends, so no value that breaks the new definition
 * can be written concurrently; readers continue. A transaction whose snapshot is older than the
 * lock cannot see all rows written before it, so read committed is required.
 */
create or replace function crm_private.apply_definitions(
  p_entity_type text,
  p_old         crm.custom_field_definitions[],
  p_new         crm.custom_field_definitions[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table   regclass := crm_private.entity_table(p_entity_type);
  v_plural  text     := (select relname::text from pg_class where oid = v_table);
  v_most    integer  := crm_private.max_custom_fields();
  v_unique  boolean;
  v_timeout text     := current_setting('lock_timeout');
  v_deleted text[];
  v_renamed jsonb;
  v_counts  text;
  v_fields  jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'definitions cannot be changed in a % transaction',
        current_setting('transaction_isolation')
      using errcode    = 'feature_not_supported',
            schema     = 'crm', table = 'custom_field_definitions',
            constraint = 'transaction_isolation_read_committed',
            hint       = 'Repeat the change in a read committed transaction.';
  end if;

  -- Whether the constraint of a unique field is added, dropped or replaced.
  select exists (
    select
    from unnest(p_old) as old_row
    full join unnest(p_new) as new_row using (id)
    where p_entity_type in (old_row.entity_type, new_row.entity_type)
      and case when old_row.is_unique then old_row.name end
        is distinct from case when new_row.is_unique then new_row.name end
  ) into v_unique;

  -- This lock blocks readers too. The timeout keeps them from waiting behind a long query.
  if v_unique then
    perform set_config('lock_timeout', '3s', true);
    execute format('lock table %s in access exclusive mode', v_table);
    perform set_config('lock_timeout', v_timeout, true);
  else
    execute format('lock table %s in share row exclusive mode', v_table);
  end if;

  -- Limited, because each field slows every write of the entity. The lock above makes the count
  -- exact.
  if exists (
      select
      from unnest(p_new) as new_row
      where new_row.entity_type = p_entity_type
        and not exists (select from unnest(p_old) as old_row where old_row.id = new_row.id)
    )
    and (
      select count(*) > v_most
      from crm.custom_field_definitions as definition
      where definition.entity_type = p_entity_type
    )
  then
    raise exception 'custom_field_definitions: entityType may have at most % custom fields', v_most
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'custom_field_definitions', column = 'entity_type',
            constraint = 'custom_field_definitions_entity_type_full',
            detail     = jsonb_build_object(
              'entityType', jsonb_build_array(format('may have at most %s custom fields', v_most))
            ),
            hint       = 'Delete a definition that is not used, or raise crm.max_custom_fields.';
  end if;

  -- Rows are counted only for definitions that became stricter or changed. The rows still have the
  -- old names.
  select string_agg(
    format('select %L, %L, count(*) from %s', breach.field, breach.message, breach.rows),
    E'\nunion all\n'
  )
  into v_counts
  from unnest(p_new) as new_row
  left join unnest(p_old) as old_row using (id)
  cross join lateral jsonb_populate_record(
    new_row, jsonb_build_object('name', coalesce(old_row.name, new_row.name))
  ) as definition
  cross join lateral (
    select
      'required' as field,
      format('existing %s without a value: %%s', v_plural) as message,
      format('%s where not custom_fields ? %L', v_table, definition.name) as rows
    where new_row.required and not coalesce(old_row.required, false)

    union all

    select
      case
        when rule.rule = 'blank' then 'required'
        when rule.rule <> 'type' then crm_private.camel_case(rule.rule)
        when new_row.field_type = old_row.field_type then 'enumValues'
        else 'fieldType'
      end,
      format(
        'existing %s with another value: %%s (%s)', v_plural, replace(rule.message, '%', '%%')
      ),
      format('%s where not coalesce(%s, true)', v_table, rule.condition)
    from crm_private.custom_field_rules(definition) as rule
    where old_row.id is not null
      and rule.condition not in (
        select was.condition from crm_private.custom_field_rules(old_row) as was
      )

    union all

    select
      'isUnique',
      format('existing %s with a value that another one has: %%s', v_plural),
      format(
        '(select count(*) over (partition by custom_fields -> %1$L) as times
          from %2$s where custom_fields ? %1$L) as held
         where times > 1',
        definition.name, v_table
      )
    where new_row.is_unique and not coalesce(old_row.is_unique, false) and old_row.id is not null
  ) as breach
  where new_row.entity_type = p_entity_type;

  if v_counts is not null then
    execute format(
      'select jsonb_object_agg(field, messages)
       from (
         select field, jsonb_agg(format(message, count) order by message) as messages
         from (%s) as counted (field, message, count)
         where count > 0
         group by field
       ) as faults',
      v_counts
    ) into v_fields;
  end if;

  if v_fields is not null then
    raise exception 'custom_field_definitions: %',
        (select string_agg(key || ' ' || (value ->> 0), '; ') from jsonb_each(v_fields))
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'custom_field_definitions',
            column     = (
              select lower(regexp_replace(key, '([A-Z])', '_\1', 'g'))
              from jsonb_object_keys(v_fields) as key limit 1
            ),
            constraint = 'custom_field_definitions_values_hold',
            detail     = v_fields::text,
            hint       = 'Change the rows that crm.check_custom_field_rule lists, then try again.';
  end if;

  perform crm_private.record_former_fields(p_entity_type, p_old, p_new);
  perform crm_private.compile_custom_fields(p_entity_type);

  select array_agg(old_row.name)
  into v_deleted
  from unnest(p_old) as old_row
  where old_row.entity_type = p_entity_type
    and not exists (select from unnest(p_new) as new_row where new_row.id = old_row.id);

  if v_deleted is not null then
    execute format(
      'update %s set custom_fields = custom_fields - $1 where custom_fields ?| $1', v_table
    ) using v_deleted;
  end if;

  select jsonb_object_agg(old_row.name, new_row.name)
  into v_renamed
  from unnest(p_old) as old_row
  join unnest(p_new) as new_row using (id)
  where new_row.entity_type = p_entity_type
    and new_row.name <> old_row.name;

  if v_renamed is not null then
    execute format(
      'update %s as record
       set custom_fields = custom_fields - $2 || (
         select jsonb_object_agg(renamed.value, record.custom_fields -> renamed.key)
         from jsonb_each_text($1) as renamed
         where record.custom_fields ? renamed.key
       )
       where custom_fields ?| $2',
      v_table
    ) using v_renamed, array(select jsonb_object_keys(v_renamed));
  end if;
end
$$;

comment on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) is
  'Applies changed definitions of an entity type to its rows; raises if existing rows break them.';

revoke all on function crm_private.apply_definitions(
  text, crm.custom_field_definitions[], crm.custom_field_definitions[]
) from public;
