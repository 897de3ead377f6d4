/*
 * Whether the audit log is as it was written, to the eyes of whoever has the digest: seals what has
 * come, then compares. A large audit log takes longer than a request may; the command line verifies it
 * without that limit.
 *
 * Security definer: the blocks are the owner's.
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
  'What crm.verify_audit_log calls, with the rights of the owner.';

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
  'Compares the audit log with its seals and names the first entry that was altered, removed or '
  'inserted behind the product''s back. Whoever could do that could change the seals too; give a '
  'digest that was kept elsewhere to find that as well. For administrators.';

revoke all on function crm.verify_audit_log(text) from public;
grant execute on function crm.verify_audit_log(text) to crm_admin;
