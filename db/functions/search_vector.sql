/*
 * A text as search indexes it: its words, all with one weight. Without words if it is null.
 * Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_vector(value text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
as $$
begin
  return pg_catalog.setweight(
    pg_catalog.to_tsvector('pg_catalog.simple', coalesce(crm_private.search_words(value), '')),
    weight
  );
end
$$;

comment on function crm_private.search_vector(text, "char") is
  'The words of a text, all with the same weight.';

revoke all on function crm_private.search_vector(text, "char") from public;
grant execute on function crm_private.search_vector(text, "char") to crm_member;
