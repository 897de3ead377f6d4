/*
 * Returns what an auditor stores outside the database: the number of the last block and its hash,
 * which depends on all entries sealed so far. Seals first, and waits for a session that is sealing.
 *
 * Security definer: only the owner can read the blocks.
 */
create or replace function crm_private.audit_log_digest()
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.lock_seals();
  perform crm_private.seal_audit_log();
  return crm_private.last_digest();
end
$$;

comment on function crm_private.audit_log_digest() is
  'Implements crm.audit_log_digest with the rights of the owner.';

revoke all on function crm_private.audit_log_digest() from public;
grant execute on function crm_private.audit_log_digest() to crm_admin;

create or replace function crm.audit_log_digest()
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.audit_log_digest();
$$;

comment on function crm.audit_log_digest() is
  E'@behavior queryField -mutationField\n'
  'The digest of the audit log at this moment, for an auditor to store outside the system. Pass it '
  'to verifyAuditLog later, to prove that the entries sealed by now are unchanged. For '
  'administrators.';

revoke all on function crm.audit_log_digest() from public;
grant execute on function crm.audit_log_digest() to crm_admin;
