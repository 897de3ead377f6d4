/*
 * True if a value keeps the rules that a definition would give a custom field; null without a value,
 * and where the rules themselves are faulty, which other checks tell. Its arguments are columns of
 * crm.custom_field_definitions, one of whose checks calls it for the default.
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
-- Its statement is made of an expression, which cannot be quoted as names and values can. What it reads
-- is in the arguments, so it is immutable though what it calls is not marked so.
-- @plpgsql_check_options: security_warnings = off, extra_warnings = off
declare
  v_condition text;
  v_holds     boolean;
begin
  if value is null then
    return null;
  end if;

  -- Declared nowhere, because the table needs this function before it is there.
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
  'True if a value keeps the rules that a definition would give a custom field.';

revoke all on function
  crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) from public;
grant execute on function
  crm_private.satisfies_rules(jsonb, text, text[], text, text, integer, text) to crm_admin;
