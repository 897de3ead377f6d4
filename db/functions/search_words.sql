/*
 * The words of a text as search knows them: without case and accents, and with a blank for whatever
 * ASCII has beside letters and digits. What is indexed and what is looked for both pass through it,
 * so that an address is the sequence of its parts on either side. An apostrophe is dropped: O'Brien
 * is one word.
 *
 * Bounded, because PostgreSQL is: 100,000 characters are far from the megabyte that a tsvector holds,
 * and a word is cut long before the 2 kB of a lexeme. So nothing that a column can hold fails here,
 * whatever its checks will say.
 *
 * Indexes stand on it.
 */
create or replace function crm_private.search_words(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words text := translate(
    left(crm_private.fold(left(value, 100000)), 100000),
    '!"#$%&()*+,-./:;<=>?@[\]^_`{|}~''', '                               '
  );
begin
  if octet_length(v_words) > 2000 then
    v_words := regexp_replace(v_words, '([^ ]{255})[^ ]+', '\1', 'g');
  end if;
  return v_words;
end
$$;

comment on function crm_private.search_words(text) is
  'The words of a text, folded, with blanks between them.';

revoke all on function crm_private.search_words(text) from public;
grant execute on function crm_private.search_words(text) to crm_reader;
