/*
 * What an auditor keeps outside: the number of the last block and its hash, on which all that was
 * sealed before bears. Seals first, waiting for whoever seals at this moment.
 *
 * Security definer: the blocks are the owner's.
 */
create or replace function crm_private.journal_digest()
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform crm_private.hold_seals();
  perform crm_private.seal_journal();
  return crm_private.last_digest();
end
$$;

comment on function crm_private.journal_digest() is
  'What crm.journal_digest calls, with the rights of the owner.';

revoke all on function crm_private.journal_digest() from public;
grant execute on function crm_private.journal_digest() to crm_admin;

create or replace function crm.journal_digest()
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.journal_digest();
$$;

comment on function crm.journal_digest() is
  E'@behavior queryField -mutationField\n'
  'What the journal is at this moment, in one line for an auditor to keep elsewhere: given to '
  'verifyJournal later, it proves that nothing which was in the journal now was changed since. '
  'For administrators.';

revoke all on function crm.journal_digest() from public;
grant execute on function crm.journal_digest() to crm_admin;
