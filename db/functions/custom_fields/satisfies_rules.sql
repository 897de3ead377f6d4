/*
 * Returns true if a value satisfies the rules that a definition would set for a custom field; null
 * without a value, and if the rules themselves are faulty, which other checks report. Its arguments
 * are columns of crm.custom_field_definitions, whose check of the default calls it.
 */
create or replace function crm_private.satisfies_rules(
  value       jsonb,
  field_type  text,
  enum_values text[],
  minimum     text,
  maximum     text,
  max_length  integer,
  pattern     text
)
returns boolean
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
-- Its statement contains an expression, which cannot be quoted as names and values can. It reads
-- only its arguments, so it is immutable although the functions that it calls are not marked so.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_condition text;
  v_holds     boolean;
begin
  if value is null then
    return null;
  end if;

  -- Not a declared variable, because the table needs this function before it exists.
  v_condition := crm_private.custom_field_condition(
    jsonb_populate_record(
      null::crm.custom_field_definitions,
      jsonb_build_object(
        'name', 'value',
        'field_type', field_type,
        'enum_values', enum_values,
        'minimum', minimum,
        'maximum', maximum,
        'max_length', max_length,
        'pattern', pattern
      )
    )
  );

  if v_condition is null then
    return null;
  end if;

  execute format(
    'select %s from (select jsonb_build_object(''value'', $1) as custom_fields) as row', v_condition
  ) into v_holds using value;

  return v_holds;
exception
  when data_exception then
    return null;
end
$$;

comment on function crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) is
  'Returns true if a value satisfies the rules that a definition would set for a custom field.';

revoke all on function
  crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) from public;
grant execute on function
  crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) to crm_admin;
