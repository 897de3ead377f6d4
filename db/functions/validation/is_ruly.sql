/*
 * True if a text of any number of lines holds neither controls but tabs and ends of lines, nor what
 * reorders the text: crm_private.unruly_characters. One that is blank has that fault alone.
 */
create or replace function crm_private.is_ruly(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return value !~ ('[' || crm_private.unruly_characters() || ']') or crm_private.is_blank(value);
end
$$;

comment on function crm_private.is_ruly(text) is
  'True if a text of any number of lines holds no controls but tabs and ends of lines.';

revoke all on function crm_private.is_ruly(text) from public;
grant execute on function crm_private.is_ruly(text) to crm_member;
