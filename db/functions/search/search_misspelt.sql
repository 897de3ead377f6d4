/*
 * Returns the query that finds tasks and notes with one typing error per word. loose_texts is the
 * text of a tsquery in which words that may be misspelt have a question mark before them. The three
 * longest of these are replaced by the stems of all words that differ from them by one error. Null
 * if there is no such word.
 */
create or replace function crm_private.search_misspelt(loose_texts text)
returns tsquery
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_query text := loose_texts;
  v_word  text;
begin
  if strpos(loose_texts, '''?') = 0 then
    return null;
  end if;

  for v_word in
    select matched.parts[1]
    from regexp_matches(loose_texts, '''\?([^'']+)''', 'g') as matched (parts)
    group by 1
    order by length(matched.parts[1]) desc, 1
    limit 3
  loop
    v_query := replace(
      v_query,
      format('''?%s''', v_word),
      (
        select string_agg(format('''%1$s'' | ''^%1$s''', stem), ' | ')
        from unnest(tsvector_to_array(crm_private.search_stems(
          array_to_string(crm_private.search_variants(v_word), ' ')
        ))) as stem
      )
    );
  end loop;

  return v_query::tsquery;
end
$$;

comment on function crm_private.search_misspelt(text) is
  'Returns the query that finds tasks and notes with one typing error per word.';

revoke all on function crm_private.search_misspelt(text) from public;
grant execute on function crm_private.search_misspelt(text) to crm_reader;
