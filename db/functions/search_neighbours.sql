/*
 * What tells words apart that differ by one typing error: each word, and each word with one of its
 * letters left out, after a tilde, which no word has. Two words of which one has a letter too many,
 * too few or another one, or of which two letters changed places, have one of these in common.
 *
 * Compared with trigrams, which short words that differ have hardly any of in common: of 1,000,000
 * contacts 91,000 are similar enough to "jonh smiht" if "john smith" is to be.
 *
 * Words with a digit have none, nor have those of fewer than three letters or more than 20; ten words
 * are looked at. Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_neighbours(words text)
returns text[]
language plpgsql
immutable
strict
parallel safe
as $$
declare
  v_neighbours text[] := '{}';
  v_word       text;
  v_length     integer;
  v_count      integer := 0;
begin
  foreach v_word in array pg_catalog.string_to_array(words, ' ') loop
    v_length := pg_catalog.length(v_word);
    continue when v_length not between 3 and 20 or v_word ~ '[0-9]';
    v_neighbours := v_neighbours || ('~' || v_word);
    if v_length > 3 then
      for v_left in 1 .. v_length loop
        v_neighbours := v_neighbours
          || ('~' || pg_catalog.left(v_word, v_left - 1) || pg_catalog.substr(v_word, v_left + 1));
      end loop;
    end if;
    v_count := v_count + 1;
    exit when v_count = 10;
  end loop;
  return v_neighbours;
end
$$;

comment on function crm_private.search_neighbours(text) is
  'What words have in common with those that differ by one typing error.';

revoke all on function crm_private.search_neighbours(text) from public;
grant execute on function crm_private.search_neighbours(text) to crm_reader;
