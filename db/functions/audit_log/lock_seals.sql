/*
 * Keeps others from sealing the audit log, and from changing what is sealed, until the transaction ends:
 * one at a time seals, erases, purges, archives or makes partitions. Gives whether it was had; with
 * p_waits false it does not wait for another one. On a standby, and in a transaction that is read only or
 * has a snapshot of its own, it is not had, and nothing of this can be done.
 *
 * It is the lock on a row that nobody but the owner can lock. Anybody could hold an advisory lock.
 */
create or replace function crm_private.lock_seals(p_waits boolean default true)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_is_in_recovery()
    or current_setting('transaction_read_only')::boolean
    or current_setting('transaction_isolation') <> 'read committed'
  then
    return false;
  end if;

  if p_waits then
    perform from crm_private.audit_log_progress for update;
  else
    perform from crm_private.audit_log_progress for update skip locked;
  end if;
  return found;
end
$$;

comment on function crm_private.lock_seals(boolean) is
  'Keeps others from sealing the audit log, and from changing what is sealed.';

revoke all on function crm_private.lock_seals(boolean) from public;
