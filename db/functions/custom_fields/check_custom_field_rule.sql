/*
 * Returns the rows that a rule would break, before it exists: the present definition, changed by
 * the given arguments. A row is returned once for each fault. If the type changes, only the given
 * arguments apply besides it. Raises for arguments that a definition could not have.
 *
 * Security definer: it reads rows regardless of the policies that hide them, as a change of the
 * definition does.
 */
create or replace function crm_private.check_custom_field_rule(
  entity_type text,
  name        text,
  field_type  text    default null,
  enum_values text[]  default null,
  required    boolean default null,
  minimum     text    default null,
  maximum     text    default null,
  max_length  integer default null,
  pattern     text    default null,
  is_unique   boolean default null
)
returns setof crm.custom_field_fault
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_table      regclass;
  v_present    crm.custom_field_definitions;
  v_definition crm.custom_field_definitions;
begin
  select * into v_present
  from crm.custom_field_definitions as definition
  where definition.entity_type = check_custom_field_rule.entity_type
    and definition.name = check_custom_field_rule.name;

  v_definition := case
    when v_present.id is null then jsonb_populate_record(
      null::crm.custom_field_definitions,
      jsonb_build_object(
        'id', gen_random_uuid(), 'entity_type', entity_type, 'name', name, 'label', '-',
        'required', false, 'is_unique', false, 'version', 1, 'created_at', now(),
        'updated_at', now(), 'created_by', '-', 'updated_by', '-'
      )
    )
    when field_type <> v_present.field_type then jsonb_populate_record(
      v_present,
      '{"minimum": null, "maximum": null, "max_length": null, "pattern": null, "is_unique": false}'
        || case
          when field_type in ('enum', 'multi_enum') then '{}' else '{"enum_values": null}'::jsonb
        end
    )
    else v_present
  end;

  -- A default applies only to new rows.
  v_definition := jsonb_populate_record(
    v_definition,
    jsonb_strip_nulls(jsonb_build_object(
      'field_type', field_type, 'enum_values', enum_values, 'required', required,
      'minimum', minimum, 'maximum', maximum, 'max_length', max_length, 'pattern', pattern,
      'is_unique', is_unique
    )) || '{"default_value": null}'
  );

  perform crm_private.refuse_faults('crm.custom_field_definitions', to_jsonb(v_definition));
  v_table := crm_private.entity_table(entity_type);

  return query execute (
    select format(
      $query$
        select fault.id, fault.custom_fields -> $1, fault.message
        from (
          select record.id, record.custom_fields, asked.ordinal, asked.message
          from %1$s as record
          cross join lateral (values %2$s) as asked (ordinal, message, holds)
          where not asked.holds

          union all

          select held.id, held.custom_fields, 9, 'is not unique'
          from (
            select record.*, count(*) over (partition by record.custom_fields -> $1) as times
            from %1$s as record
            where record.custom_fields ? $1
          ) as held
          where $2 and held.times > 1
        ) as fault
        order by fault.id, fault.ordinal
      $query$,
      v_table,
      string_agg(format('(%s, %L, %s)', asked.ordinal, asked.message, asked.condition), ', ')
    )
    from crm_private.custom_field_checks(v_definition) as asked
  ) using name, v_definition.is_unique;
end
$$;

comment on function crm_private.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) is
  'Implements crm.check_custom_field_rule with the rights of the owner.';

revoke all on function crm_private.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) from public;
grant execute on function crm_private.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) to crm_admin;

create or replace function crm.check_custom_field_rule(
  entity_type text,
  name        text,
  field_type  text    default null,
  enum_values text[]  default null,
  required    boolean default null,
  minimum     text    default null,
  maximum     text    default null,
  max_length  integer default null,
  pattern     text    default null,
  is_unique   boolean default null
)
returns setof crm.custom_field_fault
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select * from crm_private.check_custom_field_rule(
  entity_type, name, field_type, enum_values, required, minimum, maximum, max_length, pattern, is_unique
);
$$;

comment on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) is
  'Previews a change of a custom field: returns the rows that would break the new rule, once for '
  'each fault. Omitted arguments keep the values of the definition. If fieldType changes, omitted '
  'arguments count as null, except for required, and for enumValues if the new type has them. For '
  'a field that is not defined yet, fieldType is required. For administrators.';

revoke all on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) from public;
grant execute on function crm.check_custom_field_rule(
  text, text, text, text[], boolean, text, text, integer, text, boolean
) to crm_admin;
