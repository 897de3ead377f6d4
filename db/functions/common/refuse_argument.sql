/*
 * Refuses an argument of a function of the API like a faulty column. Returns nothing, ever; it is a
 * function of text so that it can stand at the end of a coalesce.
 */
create or replace function crm_private.refuse_argument(
  p_argument   text,
  p_message    text,
  p_constraint text
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
          schema     = 'crm', table = 'audit_logs',
          constraint = p_constraint,
          detail     = jsonb_build_object(p_argument, jsonb_build_array(p_message))::text;
end
$$;

comment on function crm_private.refuse_argument(text, text, text) is
  'Refuses an argument of a function, with a message by its name.';

revoke all on function crm_private.refuse_argument(text, text, text) from public;
grant execute on function crm_private.refuse_argument(text, text, text) to crm_reader;
