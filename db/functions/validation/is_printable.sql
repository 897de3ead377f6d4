/*
 * True if a text of any number of lines holds neither controls but tabs and ends of lines, nor what
 * reorders the text: crm_private.unprintable_characters. One that is blank has that fault alone.
 */
create or replace function crm_private.is_printable(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return value !~ ('[' || crm_private.unprintable_characters() || ']') or crm_private.is_blank(value);
end
$$;

comment on function crm_private.is_printable(text) is
  'True if a text of any number of lines holds no controls but tabs and ends of lines.';

revoke all on function crm_private.is_printable(text) from public;
grant execute on function crm_private.is_printable(text) to crm_member;
