/*
 * Sets the number of days for which deleted rows can be restored; null for no limit. Raises if the
 * number is out of range. Writes an audit log entry if the value changes.
 *
 * Security definer: only the owner can write the table of settings.
 */
create or replace function crm_private.set_trash_retention(days integer)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old integer;
begin
  perform crm_private.caller_is_authenticated();

  if days not between 0 and 36500 then
    raise exception 'set_trash_retention: days must be from 0 to 36500'
      using errcode    = 'check_violation',
            schema     = 'crm', table = 'settings', column = 'days',
            constraint = 'settings_trash_retention_days_range',
            detail     = '{"days": ["must be from 0 to 36500"]}',
            hint       = 'Pass null to keep deleted rows until an administrator purges them.';
  end if;

  select trash_retention_days into v_old from crm_private.settings for update;

  if days is distinct from v_old then
    update crm_private.settings set trash_retention_days = days;
    perform crm_private.log_event(
      'setting', 'update',
      jsonb_build_object(
        'trash_retention_days', jsonb_build_object('old', v_old, 'new', days)
      ),
      clock_timestamp()
    );
  end if;

  return days;
end
$$;

comment on function crm_private.set_trash_retention(integer) is
  'Implements crm.set_trash_retention with the rights of the owner.';

revoke all on function crm_private.set_trash_retention(integer) from public;
grant execute on function crm_private.set_trash_retention(integer) to crm_admin;

create or replace function crm.set_trash_retention(days integer)
returns integer
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_trash_retention(days);
$$;

comment on function crm.set_trash_retention(integer) is
  'Sets the number of days for which deleted rows can be restored from the trash, from 0 to 36500; '
  'null keeps them until an administrator purges them. For administrators.';

revoke all on function crm.set_trash_retention(integer) from public;
grant execute on function crm.set_trash_retention(integer) to crm_admin;
