/* Refuses an argument of a function about a definition, with a message by its name. */
create or replace function crm_private.refuse_definition(
  p_argument   text,
  p_message    text,
  p_constraint text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'custom_field_definitions: % %', p_argument, p_message
    using errcode    = 'check_violation',
          schema     = 'crm', table = 'custom_field_definitions',
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text;
end
$$;

comment on function crm_private.refuse_definition(text, text, text) is
  'Refuses an argument of a function about a definition.';

revoke all on function crm_private.refuse_definition(text, text, text) from public;
