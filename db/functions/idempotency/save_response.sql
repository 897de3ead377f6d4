/*
 * Keeps what a mutation was answered under the idempotency key that its transaction has claimed: it
 * is there when the mutation is, and only then. A second answer under one key would break the
 * primary key, and undo what it is the answer of.
 *
 * With it goes which entities it may tell of: those that the transaction changed, if it tells of no others
 * (p_is_narrow), otherwise any. When a person is erased, the answers that may tell of them are dropped
 * (crm_private.drop_responses). An erasure waits for what is about to be kept; one that was done while this
 * transaction ran may have come after something was read, so nothing is kept.
 *
 * Security definer: the server's login role writes no table.
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
  'Keeps the answer of a mutation under its idempotency key.';

revoke all on function crm_private.save_response(bytea, bytea, bytea, boolean) from public;
grant execute on function crm_private.save_response(bytea, bytea, bytea, boolean) to crm_server;
