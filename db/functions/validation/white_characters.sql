/*
 * The characters that are white: spaces of any script, and what looks like one. As the inside of a
 * bracket expression. A text has something to see in it if it has a character that is neither white nor
 * hidden (crm_private.hidden_characters): that is what "blank" means, everywhere.
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
  'The characters that are white, as a bracket expression has them.';

revoke all on function crm_private.white_characters() from public;
grant execute on function crm_private.white_characters() to crm_member;
