/* Undoes the sixth migration. */

/* 050-field-indexes.sql */

do $$
begin
  -- Those that were made.
  execute coalesce(
    (
      select 'drop index ' || string_agg(format('crm.%I', (index).name), ', ')
      from crm.custom_field_definitions as definition
      cross join crm.custom_field_definitions_index(definition) as index
      where (index).name is not null
    ),
    ''
  );
end
$$;

create or replace function crm_private.definitions_changed()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old crm.custom_field_definitions[];
  v_new crm.custom_field_definitions[];
begin
  if tg_op <> 'INSERT' then
    select array_agg(old_row::crm.custom_field_definitions) into v_old
    from old_rows as old_row;
  end if;

  if tg_op <> 'DELETE' then
    select array_agg(new_row::crm.custom_field_definitions) into v_new
    from new_rows as new_row;
  end if;

  -- In one order always, lest two changes wait for each other.
  perform crm_private.apply_definitions(entity_type, v_old, v_new)
  from (
    select entity_type
    from unnest(v_old || v_new)
    group by entity_type
    order by entity_type
  ) as changed;

  return null;
end
$$;

drop function
  crm_private.apply_indexes,
  crm.unindex_custom_field,
  crm.index_custom_field,
  crm_private.custom_field,
  crm_private.claim_definitions,
  crm.custom_field_definitions_index,
  crm_private.custom_field_index_statement,
  crm_private.custom_field_index_name;
drop type crm.custom_field_index;

/* 010-custom-fields.sql */

drop schema crm_custom cascade;

drop function crm.custom_field_definitions_field_name;

/*
 * Compiles the definitions of an entity type into crm_private.<table>_custom_fields_hold, which
 * the trigger that validates inlines: a row is checked without reading a definition; and into the
 * columns of its report. Called when the definitions of the type change; the caller has stopped
 * writers of the table.
 *
 * Members that are null never reach it: _100_normalise removes them before.
 */
create or replace function crm_private.compile_custom_fields(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I',
    (select relname from pg_class where oid = crm_private.entity_table(p_entity_type))
      || '_custom_fields_hold'
  );
begin
  execute (
    select format(
      'create or replace function %s(custom_fields jsonb)
       returns boolean
       language sql
       immutable
       parallel safe
       return case
         when custom_fields = ''{}'' then %s
         when jsonb_typeof(custom_fields) = ''object''
         then custom_fields - %L::text[] = ''{}'' %s
       end',
      v_function,
      (not coalesce(bool_or(d.required), false))::text,
      coalesce(array_agg(d.name order by d.name), '{}'),
      string_agg(
        format('and coalesce(%s, %s)', crm_private.custom_field_condition(d), (not d.required)::text),
        E'\n' order by d.name
      )
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
  );

  execute format(
    'comment on function %s(jsonb) is %L',
    v_function, 'True if the custom fields keep their definitions. Compiled from them.'
  );
  execute format('revoke all on function %s(jsonb) from public', v_function);
  execute format('grant execute on function %s(jsonb) to crm_member', v_function);

  perform crm_private.compile_report(p_entity_type);
end
$$;

comment on function crm_private.compile_custom_fields(text) is
  'Compiles the definitions of an entity type into the check of its rows and into its report.';

revoke all on function crm_private.compile_custom_fields(text) from public;

drop function
  crm_private.compile_custom_field_functions,
  crm_private.custom_field_names,
  crm_private.is_reserved_field,
  crm_private.custom_field_value;
