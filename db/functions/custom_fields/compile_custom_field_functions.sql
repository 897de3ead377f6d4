/*
 * Creates a function for each custom field of an entity type: crm_custom.deals_product(deal)
 * returns the value of product, in the field's type. The API serves it as a field of deals, and SQL
 * can call it; the planner inlines its expression, so it costs nothing, and an index on the
 * expression serves it. Called by crm_private.compile_custom_fields when the definitions of the
 * type change.
 *
 * The functions are in a schema of their own, so that none can have the name of a built-in
 * function. If another object, such as a view, uses the function of a field, the field cannot be
 * deleted or renamed, nor get another type.
 *
 * A renamed or deleted field keeps its function under the former name for a time, marked as
 * deprecated: it returns the value of the renamed field, or null. A former name that the API now has
 * for another field is left out.
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
  v_source      text  := format('(%I).custom_fields', p_entity_type);
  v_wanted      jsonb;
  v_gone        text;
  v_used        text;
begin
  with named as (
    select * from crm_private.custom_field_names(v_definitions)
  ),
  listed as (
    select
      crm_private.custom_field_function_name(v_table, definition.name) as function_name,
      definition.field_type,
      crm_private.custom_field_value(definition, v_source) as value,
      named.field_name,
      format(
        E'@customField %s\n%sThe custom field "%s". %sA value %s.%s',
        definition.name,
        case
          when definition.enum_values is not null then format(E'@choicesOf %s\n', definition.id)
        end,
        definition.label,
        definition.description || E'\n\n',
        (
          select string_agg(rule.message, ', ' order by rule.ordinal)
          from crm_private.custom_field_rules(definition) as rule
        ),
        case when definition.required then format(' Every %s has one.', p_entity_type) else '' end
      ) as comment,
      false as is_former
    from unnest(v_definitions) as definition
    join named on named.definition_id = definition.id

    union all

    select
      crm_private.custom_field_function_name(v_table, former.name),
      former.field_type,
      case
        when definition.id is not null then crm_private.custom_field_value(definition, v_source)
      end,
      former.field_name,
      format(
        E'@customField %s\n%s%s@deprecated %s on %s. It will be removed on %s.\n%s',
        former.name,
        E'@currentField ' || former.current_name || E'\n',
        case
          when definition.enum_values is not null then format(E'@choicesOf %s\n', definition.id)
        end,
        coalesce('Renamed to ' || named.field_name, 'Deleted'),
        former.ended_on,
        former.expires_on,
        coalesce(
          'The former name of ' || named.field_name || '.',
          'A custom field that was deleted. It is always null.'
        )
      ),
      true
    from crm_private.live_former_fields as former
    left join named on named.definition_id = former.definition_id
    left join unnest(v_definitions) as definition on definition.id = former.definition_id
    where former.entity_type = p_entity_type
      and not crm_private.is_reserved_field(former.field_name)
      and not exists (
        select from named as other where lower(other.field_name) = lower(former.field_name)
      )
      and not exists (
        select
        from crm_private.live_former_fields as other
        where other.entity_type = p_entity_type
          and lower(other.field_name) = lower(former.field_name)
          and (other.ended_at, other.name) > (former.ended_at, former.name)
      )
  )
  select coalesce(
    jsonb_object_agg(
      format('crm_custom.%I(%s)', listed.function_name, v_table),
      jsonb_build_array(
        typed.name,
        format(
          'create or replace function crm_custom.%I(%I %s) returns %s '
          'language sql immutable parallel safe as %L',
          listed.function_name, p_entity_type, v_table, typed.name, typed.body
        ),
        format(
          E'@name custom_%s_%s\n@fieldName %s\n%s',
          (select relname from pg_class where oid = v_table),
          listed.field_name, listed.field_name, listed.comment
        ),
        listed.is_former,
        typed.body
      )
    ),
    '{}'
  )
  into v_wanted
  from listed
  cross join lateral (
    select case listed.field_type
      when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
      when 'multi_enum' then 'text[]' else 'text'
    end
  ) as type (name)
  cross join lateral (
    select type.name, 'select ' || coalesce(listed.value, 'null::' || type.name)
  ) as typed (name, body);

  -- Functions that exist but are not needed any more, or now return another type; and those that
  -- become deprecated while another object uses them.
  select
    string_agg(present.signature, ', ' order by present.signature) filter (
      where v_wanted -> present.signature ->> 0 is distinct from present.type
    ),
    string_agg(present.signature, ', ' order by present.signature) filter (
      where (v_wanted -> present.signature -> 3)::boolean
        and not present.is_former
        and present.is_used
    )
  into v_gone, v_used
  from (
    select
      format('crm_custom.%I(%s)', proc.proname, v_table) as signature,
      format_type(proc.prorettype, null) as type,
      coalesce(
        strpos(obj_description(proc.oid, 'pg_proc'), E'\n@deprecated ') > 0, false
      ) as is_former,
      exists (
        select
        from pg_depend
        where refclassid = 'pg_proc'::regclass and refobjid = proc.oid and deptype = 'n'
      ) as is_used
    from pg_proc as proc
    where proc.pronamespace = 'crm_custom'::regnamespace
      and proc.proargtypes[0] = (select reltype from pg_class where oid = v_table)
  ) as present;

  if coalesce(v_used, v_gone) is not null then
    begin
      if v_used is not null then
        raise dependent_objects_still_exist;
      end if;
      execute 'drop function ' || v_gone;
    exception when dependent_objects_still_exist then
      v_gone := coalesce(v_used, v_gone);
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

  -- Most changes concern one of many fields.
  execute coalesce(
    (
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
      where not exists (
        select
        from pg_proc as proc
        where proc.oid = to_regprocedure(wanted.signature)
          and proc.prosrc = wanted.item ->> 4
          and obj_description(proc.oid, 'pg_proc') = wanted.item ->> 2
      )
    ),
    ''
  );
end
$$;

comment on function crm_private.compile_custom_field_functions(text) is
  'Creates a typed function for each custom field of an entity type.';

revoke all on function crm_private.compile_custom_field_functions(text) from public;
