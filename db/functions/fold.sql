/*
 * What a text is compared by where neither case nor accents count: "Zoë ÅNGSTRÖM" becomes
 * "zoe angstrom". Indexes stand on it.
 *
 * Immutable by what it names: the dictionary is fixed, and its rules change with a release of
 * PostgreSQL only; reindex then.
 */
create or replace function crm_private.fold(value text)
returns text
language sql
immutable
strict
parallel safe
return lower(extensions.unaccent('extensions.unaccent'::regdictionary, normalize(value, nfkc)));

comment on function crm_private.fold(text) is
  'The text in lower case and without accents.';

revoke all on function crm_private.fold(text) from public;
grant execute on function crm_private.fold(text) to crm_reader;
