/*
 * Makes a function of each custom field of an entity type: crm_custom.deals_product(deal) is the value
 * of product, of the field's type. The API serves it as a field of deals, and SQL may call it; the
 * planner puts its expression in place of the call, so it costs nothing and an index on the
 * expression serves it. Called when the definitions of the type change.
 *
 * The functions stand in a schema of their own, so that none can take the name of one of ours. One that
 * is used by somebody's view cannot go: refused, rather than dropping the view, too.
 */
create or replace function crm_private.compile_custom_field_functions(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
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

  -- What is there and is not wanted any more, or returns another type now.
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
      raise exception 'functions that something depends on cannot go: %', v_gone
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'custom_field_definitions',
              column     = 'name',
              constraint = 'custom_field_definitions_function_used',
              detail     = jsonb_build_object(
                             'name',
                             jsonb_build_array(format('makes %s, which something uses', v_gone))
                           )::text,
              hint       = 'Drop what uses it first, and make it again afterwards.';
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
  'Makes a typed function of each custom field of an entity type.';

revoke all on function crm_private.compile_custom_field_functions(text) from public;
