/*
 * Locks the seals of the audit log until the transaction ends, so that one session at a time seals,
 * erases, purges, archives or creates partitions. Returns whether the lock was acquired; with
 * p_waits false it does not wait for another session. On a standby, and in a transaction that is
 * read-only or has its own snapshot, it returns false, and none of these operations is possible.
 *
 * The lock is on a row that only the owner can lock. Any role could hold an advisory lock.
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
  'Keeps other sessions from sealing the audit log and from changing sealed entries.';

revoke all on function crm_private.lock_seals(boolean) from public;
