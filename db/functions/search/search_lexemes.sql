/*
 * Returns words as lexemes, all with one weight; an empty tsvector if the text is null.
 *
 * The parser of PostgreSQL gets only words of ASCII: it would split others by the locale of the
 * database, although they are split already.
 */
create or replace function crm_private.search_lexemes(words text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if words is null then
    return ''::tsvector;
  end if;
  if octet_length(words) = char_length(words) then
    return setweight(to_tsvector('pg_catalog.simple', words), weight);
  end if;
  return setweight(
    (
      select string_agg(format('''%s'':%s', word, least(ordinal, 16383)), ' ')
      from unnest(string_to_array(words, ' ')) with ordinality as listed (word, ordinal)
      where word <> ''
    )::tsvector,
    weight
  );
end
$$;

comment on function crm_private.search_lexemes(text, "char") is
  'Returns words that are separated by spaces as lexemes, all with the same weight.';

revoke all on function crm_private.search_lexemes(text, "char") from public;
grant execute on function crm_private.search_lexemes(text, "char") to crm_reader;
