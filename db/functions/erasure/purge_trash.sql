/*
 * Purges rows from the trash that were deleted longer ago than older_than, or than the retention
 * setting if it is null: they can no longer be restored. Purges nothing if both are null. Returns
 * the number of deletions. Raises if the interval is negative.
 *
 * Security definer: only the owner of the audit log may change it.
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
            detail     = '{"olderThan": ["must not be negative"]}',
            hint       = 'Pass an interval such as 30 days, or null for the retention setting.';
  end if;

  return crm_private.purge_deletions(clock_timestamp() - v_older_than);
end
$$;

comment on function crm_private.purge_trash(interval) is
  'Implements crm.purge_trash with the rights of the owner.';

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
  'Empties the trash of rows that were deleted longer ago than olderThan, or than '
  'trashRetentionDays if it is null: they can no longer be restored. Removes their values from '
  'the audit log permanently; who deleted what, and when, stays. Returns the number of deletions. '
  'For administrators.';

revoke all on function crm.purge_trash(interval) from public;
grant execute on function crm.purge_trash(interval) to crm_admin;
