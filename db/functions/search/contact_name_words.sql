/*
 * Returns the words of a contact's name, each after a space, and the digits of its phone numbers,
 * in which trigrams find parts. An index depends on it, so every name in it is qualified.
 */
create or replace function crm_private.contact_name_words(
  first_name text,
  last_name  text,
  phones     text[]
)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return crm_private.name_words(first_name || ' ' || last_name) || ' ' || regexp_replace(
    crm_private.ascii_digits(array_to_string(phones, ' ~ ')), '[^0-9~]+', '', 'g'
  );
end
$$;

comment on function crm_private.contact_name_words(text, text, text[]) is
  'Returns the words of a contact''s name and the digits of its phone numbers.';

revoke all on function crm_private.contact_name_words(text, text, text[]) from public;
grant execute on function crm_private.contact_name_words(text, text, text[]) to crm_reader;
