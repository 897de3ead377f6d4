/*
 * Stores the response of a mutation under the idempotency key that its transaction has claimed, so
 * that the response is committed with the mutation or not at all. A second response under one key
 * violates the primary key, which rolls its mutation back.
 *
 * Also stores which entities the response may contain: those that the transaction changed if
 * p_is_narrow, otherwise null, which stands for any. When a person is erased, the responses that
 * may contain them are deleted (crm_private.drop_responses). An erasure waits until a response is
 * stored. If one was committed while this transaction ran, the response may contain values that
 * were read before, so the key is stored without it.
 *
 * Security definer: the login role of the server cannot write tables.
 */
create or replace function crm_private.save_response(
  p_key_hash     bytea,
  p_request_hash bytea,
  p_answer       bytea,
  p_is_narrow    boolean
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_ids    uuid[];
  v_erased boolean;
begin
  lock table crm_private.erasure_lock in access share mode;

  select
    array_agg(distinct log.entity_id) filter (where log.transaction_id = v_xid),
    coalesce(bool_or(log.action = 'erase' and log.transaction_id <> v_xid), false)
  into v_ids, v_erased
  from crm.audit_logs as log
  where log."timestamp" >= now()
    and (log.transaction_id = v_xid or log.action = 'erase');

  insert into crm_private.idempotency_keys (key_hash, request_hash, answer, entity_ids)
  values (
    p_key_hash,
    p_request_hash,
    case when not v_erased then p_answer end,
    case when p_is_narrow then v_ids end
  );
end
$$;

comment on function crm_private.save_response(bytea, bytea, bytea, boolean) is
  'Stores the response of a mutation under its idempotency key.';

revoke all on function crm_private.save_response(bytea, bytea, bytea, boolean) from public;
grant execute on function crm_private.save_response(bytea, bytea, bytea, boolean) to crm_server;
