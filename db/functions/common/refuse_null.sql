/* Raises a check_violation if an argument of a function of the API is null. */
create or replace function crm_private.refuse_null(p_argument text, p_value text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_value is null then
    perform crm_private.refuse_argument(
      p_argument, 'is required', 'argument_not_null',
      format('Repeat the call with a value for %s.', p_argument)
    );
  end if;
end
$$;

comment on function crm_private.refuse_null(text, text) is
  'Raises an error if an argument of a function is null.';

revoke all on function crm_private.refuse_null(text, text) from public;
