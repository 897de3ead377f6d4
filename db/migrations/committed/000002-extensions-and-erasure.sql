--! Previous: sha1:b4c7087cf403e5b2b8e683bf5439cb5cb42a81f0
--! Hash: sha1:cb745b9b924bab18686e97842f57b1a4249319ed
--! Message: extensions and erasure

--! split: 010-extensions.sql
/*
 * Why: search and the comparison of names need trigrams and letters without their accents. Both
 *      extensions come with PostgreSQL and are trusted: the owner of a database may create them.
 *      They stand in a schema of their own, because everything else names what it calls by schema.
 * Locks: nothing that exists.
 * Undone by: revert/000002.sql.
 */

create schema if not exists extensions;
create extension if not exists pg_trgm with schema extensions;
create extension if not exists unaccent with schema extensions;

do $extensions$
declare
  v_name text;
begin
  select extname into v_name
  from pg_extension
  where extname = any (array['pg_trgm', 'unaccent'])
    and extnamespace <> 'extensions'::regnamespace
  limit 1;

  if v_name is not null then
    raise exception 'the extension % is installed in another schema than extensions', v_name
      using errcode = 'object_not_in_prerequisite_state',
            hint    = format('alter extension %I set schema extensions', v_name);
  end if;
end
$extensions$;

grant usage on schema extensions to crm_reader;

--! Included functions/fold.sql
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
--! EndIncluded functions/fold.sql

--! split: 020-audit-logs.sql
/*
 * Why: the right to be forgotten and the end of the trash take values out of the journal and leave
 *      who did what to which row, and when. An entry says that this was done to it.
 * Locks: crm.audit_logs exclusively, for a moment; nothing is read or written.
 * Undone by: revert/000002.sql.
 */

alter table crm.audit_logs add column if not exists erased_at timestamptz;

comment on column crm.audit_logs.erased_at is
  'When the values were taken out of changes for good; null if they are there.';
