/*
 * What a text is compared by where neither case nor accents count: "Zoë ÅNGSTRÖM" becomes
 * "zoe angstrom". Indexes stand on it.
 *
 * Immutable by what it names: the dictionary is fixed, and its rules change with a release of
 * PostgreSQL only; reindex then. Every write of a name pays for it, and most names are ASCII, which
 * has only its case to lose.
 */
create or replace function crm_private.fold(value text)
returns text
language plpgsql
immutable
strict
parallel safe
as $$
begin
  if pg_catalog.octet_length(value) = pg_catalog.char_length(value) then
    return pg_catalog.lower(value collate "C");
  end if;
  return pg_catalog.lower(
    extensions.unaccent('extensions.unaccent'::regdictionary, pg_catalog.normalize(value, 'NFKC'))
  );
end
$$;

comment on function crm_private.fold(text) is
  'The text in lower case and without accents.';

revoke all on function crm_private.fold(text) from public;
grant execute on function crm_private.fold(text) to crm_reader;
