/*
 * Returns a name for comparisons: folded, words separated by one space, without punctuation, and
 * "&" as "and". "O'Neill, Zoë" becomes "oneill zoe".
 */
create or replace function crm_private.plain_name(name text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_folded text := crm_private.fold(name);
begin
  -- Most names are plain already.
  if v_folded ~ '^[a-z0-9]+(?: [a-z0-9]+)*$' then
    return v_folded;
  end if;
  return btrim(regexp_replace(
    regexp_replace(replace(v_folded, '&', ' and '), '[''.`´’]+', '', 'g'),
    '[[:space:]!-/:-@[-`{-~]+', ' ', 'g'
  ));
end
$$;

comment on function crm_private.plain_name(text) is
  'Returns a name for comparisons: folded and without punctuation.';

revoke all on function crm_private.plain_name(text) from public;
grant execute on function crm_private.plain_name(text) to crm_reader;
