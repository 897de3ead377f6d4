/*
 * The characters that no text holds, however many lines it has: controls but for tabs and ends of lines, and
 * those that reorder what comes after them. As the inside of a bracket expression. Others that show
 * nothing come with what people paste, and do no harm in a note.
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
  'The characters that no text holds, as a bracket expression has them.';

revoke all on function crm_private.unprintable_characters() from public;
grant execute on function crm_private.unprintable_characters() to crm_member;
