/*
 * Returns a name as it is indexed: its words with weight A, the keys by which misspelt words find
 * it, and the name as a whole after an equals sign, which no word contains.
 */
create or replace function crm_private.search_name_vector(name text)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words text := coalesce(crm_private.search_words(name), '');
begin
  return crm_private.search_lexemes(v_words, 'A')
    || array_to_tsvector(
      crm_private.search_neighbours(v_words) || crm_private.search_whole(v_words)
    );
end
$$;

comment on function crm_private.search_name_vector(text) is
  'Returns the words of a name, the keys that misspelt words share with it, and the name as a '
  'whole.';

revoke all on function crm_private.search_name_vector(text) from public;
grant execute on function crm_private.search_name_vector(text) to crm_member;
