/*
 * Undoes what one audit log entry did to its row. Raises if there is no such entry.
 *
 * Security definer: it reads the whole audit log, and restores rows under their own ids, which no
 * role may write. crm_private.carry_out_reversal checks that the caller could make the same changes
 * manually.
 */
create or replace function crm_private.undo_entry(
  entry_id    bigint,
  on_conflict crm.conflict_resolution default 'REFUSE'
)
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
  'Implements crm.undo_entry with the rights of the owner.';

revoke all on function crm_private.undo_entry(bigint, crm.conflict_resolution) from public;
grant execute on function crm_private.undo_entry(bigint, crm.conflict_resolution) to crm_member;

create or replace function crm.undo_entry(
  entry_id    bigint,
  on_conflict crm.conflict_resolution default 'REFUSE'
)
returns crm.reversal
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.undo_entry(entry_id, on_conflict);
$$;

comment on function crm.undo_entry(bigint, crm.conflict_resolution) is
  'Undoes one audit log entry: fields that it changed get their old values, a row that it deleted '
  'is restored, a row that it created is deleted. Undoing is a change like any other, and can '
  'itself be undone. If something was changed since, onConflict decides: REFUSE, the default, '
  'changes nothing and returns the code CONFLICT; SKIP leaves the changed values as they are and '
  'lists them in kept; FORCE overwrites them, for administrators only.';

revoke all on function crm.undo_entry(bigint, crm.conflict_resolution) from public;
grant execute on function crm.undo_entry(bigint, crm.conflict_resolution) to crm_member;
