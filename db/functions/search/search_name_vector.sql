/*
 * A name as search indexes it: its words with weight A, what misspelt ones have in common with them,
 * and the name as a whole, after an equals sign, which no word has.
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
  'The words of a name, what misspelt ones have in common with them, and all of it as one.';

revoke all on function crm_private.search_name_vector(text) from public;
grant execute on function crm_private.search_name_vector(text) to crm_member;
