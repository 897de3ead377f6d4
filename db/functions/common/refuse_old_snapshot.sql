/*
 * Raises feature_not_supported in a transaction that cannot see what other transactions have
 * committed since it began. Called by functions that must find every value there is.
 */
create or replace function crm_private.refuse_old_snapshot(p_what text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception '% cannot run in a % transaction',
        p_what, current_setting('transaction_isolation')
      using errcode    = 'feature_not_supported',
            schema     = 'crm',
            constraint = 'transaction_isolation_read_committed',
            hint       = 'Repeat the call in a read committed transaction.';
  end if;
end
$$;

comment on function crm_private.refuse_old_snapshot(text) is
  'Raises an error in a transaction that is not read committed.';

revoke all on function crm_private.refuse_old_snapshot(text) from public;
