/*
 * Returns a text for comparisons without regard to case and accents: "Zoë ÅNGSTRÖM" becomes
 * "zoe angstrom". Indexes depend on it.
 *
 * Immutable because of the names in it: the dictionary is fixed, and its rules change only with a
 * release of PostgreSQL; reindex then. The collation is fixed too, so that РОМАШКА becomes ромашка
 * also in a database with the locale C. It writes a sigma at the end of a word as ς, which the
 * beginning of a longer word does not have, so both become σ. Every write of a name calls this
 * function, and most names are ASCII, for which lower case is enough.
 */
create or replace function crm_private.fold(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if octet_length(value) = char_length(value) then
    return lower(value collate "C");
  end if;
  return replace(
    lower(
      extensions.unaccent('extensions.unaccent'::regdictionary, normalize(value, nfkc))
        collate crm_private.folding
    ),
    'ς', 'σ'
  );
end
$$;

comment on function crm_private.fold(text) is
  'Returns the text in lower case and without accents.';

revoke all on function crm_private.fold(text) from public;
grant execute on function crm_private.fold(text) to crm_reader;
