/*
 * Keeps what a mutation was answered under the idempotency key that its transaction has claimed: it
 * is there when the mutation is, and only then. A second answer under one key would break the
 * primary key, and undo what it is the answer of.
 *
 * Security definer: the server's login role writes no table.
 */
create or replace function crm_private.keep_answer(
  p_key_hash     bytea,
  p_request_hash bytea,
  p_answer       bytea
)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into crm_private.idempotency_keys (key_hash, request_hash, answer)
  values (p_key_hash, p_request_hash, p_answer);
$$;

comment on function crm_private.keep_answer(bytea, bytea, bytea) is
  'Keeps the answer of a mutation under its idempotency key.';

revoke all on function crm_private.keep_answer(bytea, bytea, bytea) from public;
grant execute on function crm_private.keep_answer(bytea, bytea, bytea) to crm_server;
