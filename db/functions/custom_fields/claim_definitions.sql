/*
 * Keeps builds of indexes on custom fields and changes of definitions apart, until the transaction
 * ends. A build that does not block writers waits for every older transaction, so a transaction
 * that waited for the build would deadlock, with all writers of the table behind it. It is refused
 * at once instead. Changes of definitions do not refuse each other.
 *
 * The command line takes the same lock for its session before it builds.
 */
create or replace function crm_private.claim_definitions(p_alone boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lock constant integer := hashtext('crm_private.claim_definitions');
begin
  if p_alone and pg_try_advisory_xact_lock(v_lock)
    or not p_alone and pg_try_advisory_xact_lock_shared(v_lock)
  then
    return;
  end if;

  raise exception '%', case when p_alone
      then 'custom fields are being changed, or one is being indexed'
      else 'a custom field is being indexed'
    end
    using errcode    = 'lock_not_available',
          schema     = 'crm', table = 'custom_field_definitions',
          constraint = 'custom_field_definitions_lock_free',
          hint       = 'Try again when that operation has ended.';
end
$$;

comment on function crm_private.claim_definitions(boolean) is
  'Keeps builds of indexes on custom fields and changes of definitions apart.';

revoke all on function crm_private.claim_definitions(boolean) from public;
