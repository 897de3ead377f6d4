/*
 * The words of a name, each after a blank: what trigrams find parts of. Indexes stand on it.
 */
create or replace function crm_private.name_words(name text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return ' ' || crm_private.search_words(name);
end
$$;

comment on function crm_private.name_words(text) is
  'The words of a name, each after a blank.';

revoke all on function crm_private.name_words(text) from public;
grant execute on function crm_private.name_words(text) to crm_reader;
