/*
 * What an auditor keeps outside: the number of the last block and its hash, on which all that was
 * sealed before bears. Seals first, waiting for whoever seals at this moment.
 *
 * Security definer: the blocks are the owner's.
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
  'What crm.audit_log_digest calls, with the rights of the owner.';

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
  'What the audit log is at this moment, in one line for an auditor to keep elsewhere: given to '
  'verifyAuditLog later, it proves that nothing which was in the audit log now was changed since. '
  'For administrators.';

revoke all on function crm.audit_log_digest() from public;
grant execute on function crm.audit_log_digest() to crm_admin;
