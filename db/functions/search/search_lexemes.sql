/*
 * Words as search indexes them, all with one weight; without words if the text is null.
 *
 * PostgreSQL's parser is asked for words of ASCII alone: it would part others by the locale of the
 * database, where they are parted already.
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
  'Words that stand apart by blanks, as search indexes them, all with the same weight.';

revoke all on function crm_private.search_lexemes(text, "char") from public;
grant execute on function crm_private.search_lexemes(text, "char") to crm_reader;
