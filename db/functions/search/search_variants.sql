/*
 * Returns the words that differ from one by a typing error: an additional, a missing or a different
 * letter, or two swapped letters; and the word itself. Letters are those of its script, if that has
 * an alphabet.
 *
 * Called for words of the query. Names work the other way: letters are left out of the stored words
 * (crm_private.search_neighbours). A note has too many words for that.
 */
create or replace function crm_private.search_variants(word text)
returns text[]
language sql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with letters as (
    select chr(code) as letter
    from (
      values
        (97, 122), (945, 969), (1072, 1119), (1377, 1414), (1488, 1514), (1569, 1610), (4304, 4336)
    ) as alphabet (first, last)
    cross join lateral generate_series(first, last) as code
    where ascii(word) between first and last
  ),
  places as (
    select left(word, place) as before, substr(word, place + 1) as after
    from generate_series(0, length(word)) as place
  )
  select array_agg(distinct variant)
  from (
    select word
    union all
    select before || substr(after, 2) from places where after <> ''
    union all
    select before || substr(after, 2, 1) || left(after, 1) || substr(after, 3)
    from places
    where length(after) > 1
    union all
    select before || letter || substr(after, 2) from places cross join letters where after <> ''
    union all
    select before || letter || after from places cross join letters
  ) as variants (variant);
$$;

comment on function crm_private.search_variants(text) is
  'Returns the words that differ from one by a typing error.';

revoke all on function crm_private.search_variants(text) from public;
grant execute on function crm_private.search_variants(text) to crm_reader;
