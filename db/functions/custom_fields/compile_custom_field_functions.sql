/*
 * Creates a function for each custom field of an entity type: crm_custom.deals_product(deal)
 * returns the value of product, in the field's type. The API serves it as a field of deals, and SQL
 * can call it; the planner inlines its expression, so it costs nothing, and an index on the
 * expression serves it. Called by crm_private.compile_custom_fields when the definitions of the
 * type change.
 *
 * The functions are in a schema of their own, so that none can have the name of a built-in
 * function. A function that another object uses, such as a view, is not dropped with that object;
 * the change of the definition is refused.
 */
create or replace function crm_private.compile_custom_field_functions(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements contain expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_table       regclass := crm_private.entity_table(p_entity_type);
  v_definitions crm.custom_field_definitions[] := array(
    select definition
    from crm.custom_field_definitions as definition
    where definition.entity_type = p_entity_type
  );
  v_wanted      jsonb;
  v_gone        text;
begin
  select coalesce(
    jsonb_object_agg(
      format('crm_custom.%I(%s)', listed.function_name, v_table),
      jsonb_build_array(
        listed.type,
        format(
          'create or replace function crm_custom.%I(%I %s) returns %s '
          'language sql immutable parallel safe as %L',
          listed.function_name, p_entity_type, v_table, listed.type,
          'select ' || crm_private.custom_field_value(
            listed.definition, format('(%I).custom_fields', p_entity_type)
          )
        ),
        listed.comment
      )
    ),
    '{}'
  )
  into v_wanted
  from (
    select
      definition,
      case
        when length(prefix || definition.name) <= 63 then prefix || definition.name
        else left(prefix || definition.name, 54) || '_' || left(md5(definition.name), 8)
      end as function_name,
      case definition.field_type
        when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
        when 'multi_enum' then 'text[]' else 'text'
      end as type,
      format(
        E'@name custom_%s%s\n@fieldName %s\n@customField %s\n%sThe custom field "%s". %sA value %s.%s',
        prefix,
        named.field_name,
        named.field_name,
        definition.name,
        case
          when definition.enum_values is not null then format(E'@choicesOf %s\n', p_entity_type)
        end,
        definition.label,
        definition.description || E'\n\n',
        (
          select string_agg(rule.message, ', ' order by rule.ordinal)
          from crm_private.custom_field_rules(definition) as rule
        ),
        case when definition.required then format(' Every %s has one.', p_entity_type) else '' end
      ) as comment
    from unnest(v_definitions) as definition
    join crm_private.custom_field_names(v_definitions) as named
      on named.definition_id = definition.id
    cross join (
      select relname || '_' from pg_class where oid = v_table
    ) as tables (prefix)
  ) as listed;

  -- Functions that exist but are not needed any more, or now return another type.
  select string_agg(present.signature, ', ' order by present.signature)
  into v_gone
  from (
    select
      format('crm_custom.%I(%s)', proc.proname, v_table) as signature,
      format_type(proc.prorettype, null) as type
    from pg_proc as proc
    where proc.pronamespace = 'crm_custom'::regnamespace
      and proc.proargtypes[0] = (select reltype from pg_class where oid = v_table)
  ) as present
  where v_wanted -> present.signature ->> 0 is distinct from present.type;

  if v_gone is not null then
    begin
      execute 'drop function ' || v_gone;
    exception when dependent_objects_still_exist then
      raise exception 'functions that other objects use cannot be dropped: %', v_gone
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'custom_field_definitions',
              column     = 'name',
              constraint = 'custom_field_definitions_function_used',
              detail     = jsonb_build_object(
                             'name',
                             jsonb_build_array(
                               format('defines %s, which another object uses', v_gone)
                             )
                           )::text,
              hint       = 'Drop the objects that use it, and recreate them after the change.';
    end;
  end if;

  if v_wanted = '{}' then
    return;
  end if;

  execute (
    select string_agg(
      format(
        '%1$s; comment on function %2$s is %3$L; '
        'revoke all on function %2$s from public; '
        'grant execute on function %2$s to crm_reader',
        wanted.item ->> 1, wanted.signature, wanted.item ->> 2
      ),
      '; '
    )
    from jsonb_each(v_wanted) as wanted (signature, item)
  );
end
$$;

comment on function crm_private.compile_custom_field_functions(text) is
  'Creates a typed function for each custom field of an entity type.';

revoke all on function crm_private.compile_custom_field_functions(text) from public;
