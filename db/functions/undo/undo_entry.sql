/*
 * Undoes what one audit log entry did to its row.
 *
 * Security definer: it reads the whole of the audit log, and brings back rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could do by hand what it does.
 */
create or replace function crm_private.undo_entry(entry_id bigint, on_conflict crm.conflict_resolution default 'REFUSE')
returns crm.reversal
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_transaction_id bigint := (
    select log.transaction_id from crm.audit_logs as log where log.id = entry_id
  );
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('entryId', entry_id::text);

  if v_transaction_id is null then
    perform crm_private.refuse_missing('audit_log', entry_id::text);
  end if;

  perform crm_private.plan_reversal(v_transaction_id, array[entry_id], '{}', 'entryId');
  return crm_private.carry_out_reversal(coalesce(on_conflict, 'REFUSE'));
end
$$;

comment on function crm_private.undo_entry(bigint, crm.conflict_resolution) is
  'What crm.undo_entry calls, with the rights of the owner.';

revoke all on function crm_private.undo_entry(bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_entry(bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_entry(entry_id bigint, on_conflict crm.conflict_resolution default 'REFUSE')
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_entry(entry_id, on_conflict);
$$;

comment on function crm.undo_entry(bigint, crm.conflict_resolution) is
  'Undoes one audit log entry: what it changed is put back, a row that it deleted is brought back, '
  'one that it created is deleted. Undoing is a change like others and can be undone. Where something was '
  'changed since, onConflict decides: nothing is done and the code is CONFLICT; or that is '
  'left as it is and reported in kept; or administrators overwrite it.';

revoke all on function crm.undo_entry(bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_entry(bigint, crm.conflict_resolution) to crm_member;
