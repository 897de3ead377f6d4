/*
 * Takes an idempotency key for the rest of the transaction, and waits for a transaction that has
 * it. Returns the response that is stored under the key, unless it has expired; if there is one,
 * the mutation was done before. Called by the server at the beginning of the transaction of a
 * mutation.
 *
 * The lock ends with the transaction, however that ends, so a disconnected client blocks no key. A
 * separate statement reads the stored response, so that it sees what the previous transaction
 * committed.
 *
 * It takes the hash, so that no key reaches the logs of the database. Security definer: the login
 * role of the server cannot read tables.
 */
create or replace function crm_private.claim_idempotency_key(p_key_hash bytea)
returns table (request_hash bytea, answer bytea)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(
    ('x' || encode(substr(p_key_hash, 1, 8), 'hex'))::bit(64)::bigint
  );

  delete from crm_private.idempotency_keys as expired
  where expired.key_hash = p_key_hash
    and expired.expires_at <= now();

  return query
  select kept.request_hash, kept.answer
  from crm_private.idempotency_keys as kept
  where kept.key_hash = p_key_hash;
end
$$;

comment on function crm_private.claim_idempotency_key(bytea) is
  'Takes the idempotency key with this SHA-256 for the transaction; returns the response stored '
  'under it.';

revoke all on function crm_private.claim_idempotency_key(bytea) from public;
grant execute on function crm_private.claim_idempotency_key(bytea) to crm_server;
