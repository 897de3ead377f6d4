/*
 * A name as search indexes it: its words with weight A, and what misspelt ones have in common with
 * them. Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_name_vector(name text)
returns tsvector
language plpgsql
immutable
parallel safe
as $$
declare
  v_words pg_catalog.text := coalesce(crm_private.search_words(name), '');
begin
  return pg_catalog.setweight(pg_catalog.to_tsvector('pg_catalog.simple', v_words), 'A')
    || pg_catalog.array_to_tsvector(crm_private.search_neighbours(v_words));
end
$$;

comment on function crm_private.search_name_vector(text) is
  'The words of a name, and what misspelt ones have in common with them.';

revoke all on function crm_private.search_name_vector(text) from public;
grant execute on function crm_private.search_name_vector(text) to crm_member;
