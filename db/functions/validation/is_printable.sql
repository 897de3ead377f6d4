/*
 * Returns true if a text of any number of lines contains none of
 * crm_private.unprintable_characters: no control characters but tabs and line ends, and none that
 * reorder the text. A blank text is printable, because another rule refuses it.
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
  'Returns true if a text of any number of lines has no control characters but tabs and line '
  'ends.';

revoke all on function crm_private.is_printable(text) from public;
grant execute on function crm_private.is_printable(text) to crm_member;
