/*
 * Converts the name of a column to the name that clients of the API know: first_name becomes
 * firstName. Called where an error names its fields.
 */
create or replace function crm_private.camel_case(name text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return left(name, 1) || right(replace(initcap(replace(name, '_', ' ')), ' ', ''), -1);
end
$$;

comment on function crm_private.camel_case(text) is
  'Returns the name of a column in the API: first_name becomes firstName.';

revoke all on function crm_private.camel_case(text) from public;
grant execute on function crm_private.camel_case(text) to crm_reader;
