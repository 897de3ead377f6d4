/*
 * Returns the characters that cannot be seen: control characters with line ends and tabs, the
 * Default_Ignorable_Code_Point of Unicode, which includes the controls of writing direction, and
 * the code points that are no characters. As the inside of a bracket expression. A test compares
 * them with the properties in Unicode.
 */
create or replace function crm_private.hidden_characters()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return U&'\0001-\001F\007F-\009F\00AD\034F\061C\115F\1160\17B4\17B5\180B-\180F\200B-\200F'
    '\2028-\202E\2060-\206F\3164\FDD0-\FDEF\FE00-\FE0F\FEFF\FFA0\FFF0-\FFFB\FFFE\FFFF'
    '\+01BCA0-\+01BCA3\+01D159\+01D173-\+01D17A\+0E0000-\+0E0FFF'
    '\+01FFFE-\+01FFFF\+02FFFE-\+02FFFF\+03FFFE-\+03FFFF\+04FFFE-\+04FFFF'
    '\+05FFFE-\+05FFFF\+06FFFE-\+06FFFF\+07FFFE-\+07FFFF\+08FFFE-\+08FFFF'
    '\+09FFFE-\+09FFFF\+0AFFFE-\+0AFFFF\+0BFFFE-\+0BFFFF\+0CFFFE-\+0CFFFF'
    '\+0DFFFE-\+0DFFFF\+0EFFFE-\+0EFFFF\+0FFFFE-\+0FFFFF\+10FFFE-\+10FFFF';
end
$$;

comment on function crm_private.hidden_characters() is
  'Returns the characters that cannot be seen, for a bracket expression.';

revoke all on function crm_private.hidden_characters() from public;
grant execute on function crm_private.hidden_characters() to crm_member;
