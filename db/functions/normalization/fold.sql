/*
 * What a text is compared by where neither case nor accents count: "Zoë ÅNGSTRÖM" becomes
 * "zoe angstrom". Indexes stand on it.
 *
 * Immutable by what it names: the dictionary is fixed, and its rules change with a release of
 * PostgreSQL only; reindex then. The collation is a fixed one, so that РОМАШКА becomes ромашка in a
 * database of the locale C, too. It tells where a sigma ends a word, which a word that is only begun
 * does not. Every write of a name pays for it, and most names are ASCII, which has only its case to
 * lose.
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
  'The text in lower case and without accents.';

revoke all on function crm_private.fold(text) from public;
grant execute on function crm_private.fold(text) to crm_reader;
