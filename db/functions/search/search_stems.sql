/*
 * Returns the stems of the words of a text, by the dictionaries of the installation: invoic and
 * sent for "Invoices were sent". Stop words, such as "the", have no stem. Immutable only as long as
 * the configuration crm_private.stems does not change.
 *
 * The parser counts a long run of characters that it does not know as one word, which is "too long to
 * be indexed". Such a run has no stem, so no one has to be notified.
 */
create or replace function crm_private.search_stems(words text)
returns tsvector
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
  if octet_length(words) = char_length(words) then
    return to_tsvector('crm_private.stems', words);
  end if;
  return to_tsvector(
    'crm_private.stems',
    regexp_replace(words, replace('[ S]*[S][ S]*', 'S', crm_private.unspaced_scripts()), ' ', 'g')
  );
end
$$;

comment on function crm_private.search_stems(text) is
  'Returns the stems of the words of a text, by the dictionaries of the installation.';

revoke all on function crm_private.search_stems(text) from public;
grant execute on function crm_private.search_stems(text) to crm_reader;
