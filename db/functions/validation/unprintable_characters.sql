/*
 * Returns the characters that no text may contain, in any number of lines: control characters
 * except tabs and line ends, and those that reorder the following text. As the inside of a bracket
 * expression. Other hidden characters come with pasted text and do no harm in a note.
 */
create or replace function crm_private.unprintable_characters()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return U&'\0001-\0008\000B\000C\000E-\001F\007F-\009F\202A-\202E\2066-\2069';
end
$$;

comment on function crm_private.unprintable_characters() is
  'Returns the characters that no text may contain, for a bracket expression.';

revoke all on function crm_private.unprintable_characters() from public;
grant execute on function crm_private.unprintable_characters() to crm_member;
