/*
 * The characters that show nothing by themselves: controls, ends of lines and tabs among them, and all that
 * Unicode calls Default_Ignorable_Code_Point, which has the controls of writing direction. As the inside
 * of a bracket expression. A test compares it with Unicode's property.
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
    '\2028-\202E\2060-\206F\3164\FE00-\FE0F\FEFF\FFA0\FFF0-\FFFB\+01BCA0-\+01BCA3'
    '\+01D159\+01D173-\+01D17A\+0E0000-\+0E0FFF';
end
$$;

comment on function crm_private.hidden_characters() is
  'The characters that show nothing by themselves, as a bracket expression has them.';

revoke all on function crm_private.hidden_characters() from public;
grant execute on function crm_private.hidden_characters() to crm_member;
