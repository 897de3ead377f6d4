/*
 * Returns the white characters: spaces of any script, and what looks like a space. As the inside of
 * a bracket expression. A text is blank if each of its characters is white or hidden
 * (crm_private.hidden_characters).
 */
create or replace function crm_private.white_characters()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return U&'\0020\00A0\1680\2000-\200A\202F\205F\2800\3000';
end
$$;

comment on function crm_private.white_characters() is
  'Returns the white characters, for a bracket expression.';

revoke all on function crm_private.white_characters() from public;
grant execute on function crm_private.white_characters() to crm_member;
