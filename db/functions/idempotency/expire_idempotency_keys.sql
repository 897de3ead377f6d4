/*
 * Deletes expired idempotency keys with their responses, at most p_limit per call, so that no call
 * takes long. Returns their number, so that the caller can repeat the call. Called by the server
 * every hour. Concurrent calls are safe, and none waits for a key that is in use.
 *
 * Security definer: crm_server has no rights of its own on the table.
 */
create or replace function crm_private.expire_idempotency_keys(p_limit integer default 10000)
returns integer
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with expired as (
    select key_hash
    from crm_private.idempotency_keys
    where expires_at <= now()
    order by expires_at
    limit p_limit
    for update skip locked
  ),
  forgotten as (
    delete from crm_private.idempotency_keys
    where key_hash in (select key_hash from expired)
    returning 1
  )
  select count(*)::integer from forgotten;
$$;

comment on function crm_private.expire_idempotency_keys(integer) is
  'Deletes expired idempotency keys; returns their number.';

revoke all on function crm_private.expire_idempotency_keys(integer) from public;
grant execute on function crm_private.expire_idempotency_keys(integer) to crm_server;
