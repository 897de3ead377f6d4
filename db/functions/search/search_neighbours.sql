/*
 * Returns the keys that the words of a name share with words that differ from them by one typing
 * error: each word, and each word without one of its letters, after a tilde, which no word
 * contains. If one of two words has an additional, a missing or a different letter, or if two
 * letters are swapped, they have a key in common. Two adjacent words are also joined: "cocacola"
 * finds Coca-Cola, and "att" finds AT&T. In scripts without spaces between words they are not
 * joined.
 *
 * Trigrams are no alternative, because short words that differ share hardly any: of 1,000,000
 * contacts, 91,000 are similar enough to "jonh smiht" if "john smith" is to be found.
 *
 * Letters are left out only of words of four letters or more. Words of more than 20 letters are
 * skipped, and so are words after the tenth.
 */
create or replace function crm_private.search_neighbours(words text)
returns text[]
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_neighbours text    := '';
  v_word       text;
  v_previous   text    := '';
  v_length     integer;
  v_count      integer := 0;
begin
  foreach v_word in array string_to_array(words, ' ') loop
    v_length := length(v_word);
    continue when v_length not between 1 and 20;
    v_neighbours := v_neighbours || ' ~' || v_word;
    if v_length > 3 and v_word !~ '[0-9]' then
      for v_left in 1 .. v_length loop
        v_neighbours := v_neighbours || ' ~' || overlay(v_word placing '' from v_left for 1);
      end loop;
    end if;
    if v_previous <> '' and v_word <> 'and' and length(v_previous) + v_length <= 20 then
      v_neighbours := v_neighbours || ' ~' || v_previous || v_word;
    end if;
    if v_word <> 'and' then
      v_previous := case
        when v_length > 2
          or octet_length(v_word) = v_length
          or v_word !~ ('[' || crm_private.unspaced_scripts() || ']')
        then v_word
        else ''
      end;
    end if;
    v_count := v_count + 1;
    exit when v_count = 10;
  end loop;
  return string_to_array(substr(v_neighbours, 2), ' ');
end
$$;

comment on function crm_private.search_neighbours(text) is
  'Returns the keys that words share with words that differ by one typing error.';

revoke all on function crm_private.search_neighbours(text) from public;
grant execute on function crm_private.search_neighbours(text) to crm_reader;
