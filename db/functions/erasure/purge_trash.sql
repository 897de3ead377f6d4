/*
 * Ends the restorability of what was deleted long enough ago; the setting says how long, if nothing is
 * given. Gives the number of deletions. Refuses a negative time.
 *
 * Security definer: nobody but the owner of the audit log may change it.
 */
create or replace function crm_private.purge_trash(older_than interval default null)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_older_than interval := coalesce(
    older_than, make_interval(days => crm.trash_retention_days())
  );
begin
  perform crm_private.caller_is_authenticated();

  if v_older_than < interval '0' then
    raise exception 'purge_trash: older_than must not be negative'
      using errcode    = 'check_violation',
            schema     = 'crm', column = 'older_than',
            constraint = 'purge_trash_older_than_range',
            detail     = '{"olderThan": ["must not be negative"]}';
  end if;

  return crm_private.purge_deletions(clock_timestamp() - v_older_than);
end
$$;

comment on function crm_private.purge_trash(interval) is
  'What crm.purge_trash calls, with the rights of the owner.';

revoke all on function crm_private.purge_trash(interval) from public;
grant execute on function crm_private.purge_trash(interval) to crm_admin;

create or replace function crm.purge_trash(older_than interval default null)
returns integer
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.purge_trash(older_than);
$$;

comment on function crm.purge_trash(interval) is
  'Ends the restorability of what was deleted longer ago than this, or than trashRetentionDays if '
  'nothing is given: takes the values out of the entries for good, and leaves who deleted what, and '
  'when. Gives the number of deletions. For administrators.';

revoke all on function crm.purge_trash(interval) from public;
grant execute on function crm.purge_trash(interval) to crm_admin;
