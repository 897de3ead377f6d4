/*
 * What the words of a name have in common with words that differ from them by one typing error: each
 * word, and each word with one of its letters left out, after a tilde, which no word has. If one of
 * two words has a letter too many, too few or another one, or if two letters changed places, there
 * is something among these that both have. Two words side by side are there as one, too: Coca-Cola is
 * found by "cocacola".
 *
 * Compared with trigrams, which short words that differ have hardly any of in common: of 1,000,000
 * contacts 91,000 are similar enough to "jonh smiht" if "john smith" is to be.
 *
 * Letters are left out of words of four and more of them; words of more than 20 are passed over, and
 * those after the tenth. Every row calls it. Every name in it is qualified.
 */
create or replace function crm_private.search_neighbours(words text)
returns text[]
language plpgsql
immutable
strict
parallel safe
as $$
declare
  v_neighbours pg_catalog.text[] := '{}'::pg_catalog.text[];
  v_word       pg_catalog.text;
  v_previous   pg_catalog.text   := '';
  v_length     pg_catalog.int4;
  v_count      pg_catalog.int4   := 0;
begin
  foreach v_word in array pg_catalog.string_to_array(words, ' ') loop
    v_length := pg_catalog.length(v_word);
    continue when v_length not between 1 and 20;
    v_neighbours := v_neighbours || ('~' || v_word);
    if v_length > 3 and v_word !~ '[0-9]' then
      for v_left in 1 .. v_length loop
        v_neighbours := v_neighbours
          || ('~' || pg_catalog.left(v_word, v_left - 1) || pg_catalog.substr(v_word, v_left + 1));
      end loop;
    end if;
    if v_previous <> '' and pg_catalog.length(v_previous) + v_length <= 20 then
      v_neighbours := v_neighbours || ('~' || v_previous || v_word);
    end if;
    v_previous := v_word;
    v_count    := v_count + 1;
    exit when v_count = 10;
  end loop;
  return v_neighbours;
end
$$;

comment on function crm_private.search_neighbours(text) is
  'What words have in common with those that differ by one typing error.';

revoke all on function crm_private.search_neighbours(text) from public;
grant execute on function crm_private.search_neighbours(text) to crm_reader;
