/*
 * Raises a check_violation for an argument of a function of the API, in the form of the error of a
 * faulty column. The error names no table, because an argument belongs to none. Never returns; its
 * type is text so that it can be the last argument of coalesce.
 */
create or replace function crm_private.refuse_argument(
  p_argument   text,
  p_message    text,
  p_constraint text,
  p_hint       text default null
)
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% %', p_argument, p_message
    using errcode    = 'check_violation',
          schema     = 'crm',
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text,
          hint       = coalesce(p_hint, format('Repeat the call with another %s.', p_argument));
end
$$;

comment on function crm_private.refuse_argument(text, text, text, text) is
  'Raises an error for an argument of a function, with a message by its name.';

revoke all on function crm_private.refuse_argument(text, text, text, text) from public;
grant execute on function crm_private.refuse_argument(text, text, text, text) to crm_reader;
