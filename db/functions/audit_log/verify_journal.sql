/*
 * Whether the journal is as it was written, to the eyes of whoever has the digest: seals what has
 * come, then compares. A large journal takes longer than a request may; the command line verifies it
 * without that limit.
 *
 * Security definer: the blocks are the owner's.
 */
create or replace function crm_private.verify_journal(digest text default null)
returns crm.journal_verdict
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.seal_journal();
  return crm_private.check_journal(digest);
end
$$;

comment on function crm_private.verify_journal(text) is
  'What crm.verify_journal calls, with the rights of the owner.';

revoke all on function crm_private.verify_journal(text) from public;
grant execute on function crm_private.verify_journal(text) to crm_admin;

create or replace function crm.verify_journal(digest text default null)
returns crm.journal_verdict
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.verify_journal(digest);
$$;

comment on function crm.verify_journal(text) is
  E'@behavior queryField -mutationField\n'
  'Compares the journal with its seals and names the first entry that was altered, removed or '
  'inserted behind the product''s back. Whoever could do that could change the seals too; give a '
  'digest that was kept elsewhere to find that as well. For administrators.';

revoke all on function crm.verify_journal(text) from public;
grant execute on function crm.verify_journal(text) to crm_admin;
