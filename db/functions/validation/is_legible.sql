/*
 * Returns true if a text of one line, such as a name, contains no character that cannot be seen,
 * except where writing needs it (crm_private.legible_pattern). A blank text is legible, because
 * another rule refuses it. Most texts have no hidden character, so that is tested first.
 */
create or replace function crm_private.is_legible(value text)
returns boolean
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return value !~ ('[' || crm_private.hidden_characters() || ']')
    or value ~ crm_private.legible_pattern()
    or crm_private.is_blank(value);
end
$$;

comment on function crm_private.is_legible(text) is
  'Returns true if a text of one line has no characters that cannot be seen, except where writing '
  'needs them.';

revoke all on function crm_private.is_legible(text) from public;
grant execute on function crm_private.is_legible(text) to crm_member;
