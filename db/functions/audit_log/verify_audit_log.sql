/*
 * Seals the new entries, then compares the audit log with its seals and with the digest, if one is
 * passed. A large audit log takes longer than a request may; the command line verifies it without
 * that limit.
 *
 * Security definer: only the owner can read the blocks.
 */
create or replace function crm_private.verify_audit_log(digest text default null)
returns crm.audit_log_verdict
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.seal_audit_log();
  return crm_private.check_audit_log(digest);
end
$$;

comment on function crm_private.verify_audit_log(text) is
  'Implements crm.verify_audit_log with the rights of the owner.';

revoke all on function crm_private.verify_audit_log(text) from public;
grant execute on function crm_private.verify_audit_log(text) to crm_admin;

create or replace function crm.verify_audit_log(digest text default null)
returns crm.audit_log_verdict
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.verify_audit_log(digest);
$$;

comment on function crm.verify_audit_log(text) is
  E'@behavior queryField -mutationField\n'
  'Verifies the audit log against its seals and returns the first entry that was altered, removed '
  'or inserted by direct access to the database. Such access could also change the seals; pass a '
  'digest that was stored elsewhere to detect that. For administrators.';

revoke all on function crm.verify_audit_log(text) from public;
grant execute on function crm.verify_audit_log(text) to crm_admin;
