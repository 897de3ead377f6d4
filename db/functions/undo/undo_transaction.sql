/*
 * Undoes everything that a transaction did, across entity types: all of it, or nothing.
 *
 * Security definer: it reads the whole audit log, and restores rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could make the same changes
 * manually.
 */
create or replace function crm_private.undo_transaction(
  transaction_id bigint,
  on_conflict    crm.conflict_resolution default 'REFUSE'
)
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
  'Implements crm.undo_transaction with the rights of the owner.';

revoke all on function crm_private.undo_transaction(bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_transaction(bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_transaction(
  transaction_id bigint,
  on_conflict    crm.conflict_resolution default 'REFUSE'
)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_transaction(transaction_id, on_conflict);
$$;

comment on function crm.undo_transaction(bigint, crm.conflict_resolution) is
  'Undoes everything that one transaction did, such as a bulk edit or an import: fields that it '
  'changed get their old values, rows that it deleted are restored, rows that it created are '
  'deleted. Undoing is a change like any other, and can itself be undone. If something was '
  'changed since, onConflict decides: REFUSE, the default, changes nothing and returns the code '
  'CONFLICT; SKIP leaves the changed values as they are, lists them in kept and undoes the rest; '
  'FORCE overwrites them, for administrators only.';

revoke all on function crm.undo_transaction(bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_transaction(bigint, crm.conflict_resolution) to crm_member;
