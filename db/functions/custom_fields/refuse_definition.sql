/*
 * Raises a check_violation for an argument of a function about a definition, with a message by its
 * name. Called by crm_private.rename_custom_field_value.
 */
create or replace function crm_private.refuse_definition(
  p_argument   text,
  p_column     text,
  p_message    text,
  p_constraint text,
  p_hint       text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: % %', p_argument, p_message
    using errcode    = 'check_violation',
          schema     = 'crm', table = 'custom_field_definitions', column = p_column,
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text,
          hint       = p_hint;
end
$$;

comment on function crm_private.refuse_definition(text, text, text, text, text) is
  'Raises an error for an argument of a function about a definition.';

revoke all on function crm_private.refuse_definition(text, text, text, text, text) from public;
