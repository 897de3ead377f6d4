/*
 * Returns the key of a name as a whole: its words with a space between them, after an equals sign.
 * It finds a name that equals the query among any number of names that contain its words.
 */
create or replace function crm_private.search_whole(words text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if strpos(words, '  ') > 0 then
    return '=' || left(btrim(regexp_replace(words, ' +', ' ', 'g')), 255);
  end if;
  return '=' || left(btrim(words), 255);
end
$$;

comment on function crm_private.search_whole(text) is
  'Returns the key of a name as a whole.';

revoke all on function crm_private.search_whole(text) from public;
grant execute on function crm_private.search_whole(text) to crm_reader;
