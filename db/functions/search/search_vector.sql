/* Returns a text as it is indexed: its words, all with one weight. Empty if the text is null. */
create or replace function crm_private.search_vector(value text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.search_lexemes(crm_private.search_words(value), weight);
end
$$;

comment on function crm_private.search_vector(text, "char") is
  'Returns the words of a text, all with the same weight.';

revoke all on function crm_private.search_vector(text, "char") from public;
grant execute on function crm_private.search_vector(text, "char") to crm_member;
