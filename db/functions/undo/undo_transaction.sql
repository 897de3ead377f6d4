/*
 * Undoes everything that a transaction did, across entity types, all or nothing.
 *
 * Security definer: it reads the whole of the audit log, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm_private.undo_transaction(transaction_id bigint, on_conflict crm.conflict_resolution default 'REFUSE')
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('transactionId', transaction_id::text);

  if not exists (
    select from crm.audit_logs as log
    where log.transaction_id = undo_transaction.transaction_id
  ) then
    perform crm_private.refuse_missing('transaction', transaction_id::text);
  end if;

  perform crm_private.plan_reversal(
    transaction_id, null, jsonb_build_object('transactionId', transaction_id), 'transactionId'
  );
  return crm_private.carry_out_reversal(coalesce(on_conflict, 'REFUSE'));
end
$$;

comment on function crm_private.undo_transaction(bigint, crm.conflict_resolution) is
  'What crm.undo_transaction calls, with the rights of the owner.';

revoke all on function crm_private.undo_transaction(bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_transaction(bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_transaction(transaction_id bigint, on_conflict crm.conflict_resolution default 'REFUSE')
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_transaction(transaction_id, on_conflict);
$$;

comment on function crm.undo_transaction(bigint, crm.conflict_resolution) is
  'Undoes everything that one transaction did, such as a bulk edit or an import: what it changed is put '
  'back, what it deleted is brought back, what it created is deleted. Undoing is a change like others '
  'and can be undone. Where something was changed since, onConflict decides: nothing is done and the '
  'code is CONFLICT; or that is left as it is and reported in kept, and the rest is undone; or '
  'administrators overwrite it.';

revoke all on function crm.undo_transaction(bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_transaction(bigint, crm.conflict_resolution) to crm_member;
