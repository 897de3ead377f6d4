/*
 * True if a text has nothing to see in it: white space of any script, and zero-width characters.
 * Used by every "must not be blank" check.
 */
create or replace function crm_private.is_blank(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return not coalesce(ascii(value) between 33 and 126, false) and btrim(
    value,
    U&'\0009\000A\000B\000C\000D\0020\0085\00A0\1680\2000\2001\2002\2003\2004\2005\2006\2007'
    '\2008\2009\200A\200B\200C\200D\2028\2029\202F\205F\2060\3000\FEFF'
  ) = '';
end
$$;

comment on function crm_private.is_blank(text) is
  'True if the text is empty or holds only white space and zero-width characters.';

revoke all on function crm_private.is_blank(text) from public;
grant execute on function crm_private.is_blank(text) to crm_member;
