/*
 * Returns the salted digest of an entry's values. Without the salt it does not reveal whether
 * guessed values are right, so it can remain when the values are erased. Called to seal, verify and
 * erase.
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
  'Returns the SHA-256 of a salt and of the changes of an entry.';

revoke all on function crm_private.payload_digest(bytea, jsonb) from public;
