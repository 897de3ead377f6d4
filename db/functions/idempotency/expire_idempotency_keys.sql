/*
 * Forgets idempotency keys that have expired, with their answers; at most p_limit, lest it takes
 * long. Gives their number, so that the caller can go on. The server calls it every hour; several
 * may call it at once, and none waits for a key that is just being used again.
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
  'Forgets idempotency keys that have expired; gives how many.';

revoke all on function crm_private.expire_idempotency_keys(integer) from public;
grant execute on function crm_private.expire_idempotency_keys(integer) to crm_server;
