/*
 * Takes an idempotency key for the rest of the transaction, and waits for whoever has it. Gives what
 * was kept under the key, if something was and has not expired: then the mutation has been done. The
 * server calls it at the beginning of the transaction in which the mutation is to be done.
 *
 * The lock ends with the transaction, whatever ends that, so nobody holds a key who is gone. What is
 * read is read by a statement of its own, which sees what the one before committed.
 *
 * It takes the hash, so that no key comes near the database's logs. Security definer: the server's
 * login role reads no table.
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
  'Takes an idempotency key of this SHA-256 for the transaction; gives what is kept under it.';

revoke all on function crm_private.claim_idempotency_key(bytea) from public;
grant execute on function crm_private.claim_idempotency_key(bytea) to crm_server;
