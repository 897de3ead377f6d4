/*
 * Returns a message with the faulty value in place of %s, as JSON and cut to a length that a form
 * can show. Called by crm_private.row_faults, and by functions that refuse an argument.
 */
create or replace function crm_private.fault_message(p_template text, p_value jsonb)
returns text
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when strpos(p_template, '%s') = 0 then p_template
    when p_value is null then ltrim(replace(p_template, '%s', ''))
    when char_length(p_value::text) > 80
    then replace(p_template, '%s', left(p_value::text, 77) || '...')
    else replace(p_template, '%s', p_value::text)
  end;
$$;

comment on function crm_private.fault_message(text, jsonb) is
  'Returns the message with the faulty value, as JSON, in place of %s.';

revoke all on function crm_private.fault_message(text, jsonb) from public;
grant execute on function crm_private.fault_message(text, jsonb) to crm_reader;
