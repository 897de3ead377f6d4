/*
 * The digest of an entry's values, salted: without the salt nobody can tell from it whether guessed
 * values are right, so it may stay when the values are erased. Called to seal, verify and erase.
 */
create or replace function crm_private.payload_digest(salt bytea, changes jsonb)
returns bytea
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return sha256(salt || convert_to(changes::text, 'UTF8'));
end
$$;

comment on function crm_private.payload_digest(bytea, jsonb) is
  'SHA-256 of a salt and of what changed.';

revoke all on function crm_private.payload_digest(bytea, jsonb) from public;
