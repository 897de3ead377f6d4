/*
 * Sets the time zone of the installation, by its IANA name. PostgreSQL would accept more:
 * abbreviations, which have no daylight saving time, and POSIX rules, for which any word is a zone.
 * Raises if there is no such zone. Writes an audit log entry if the value changes.
 *
 * Security definer: only the owner can write the table of settings.
 */
create or replace function crm_private.set_time_zone(time_zone text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old text;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_null('timeZone', time_zone);
  select setting.time_zone into v_old from crm_private.settings as setting for update;

  if set_time_zone.time_zone = v_old then
    return v_old;
  end if;

  if not exists (
    select from pg_timezone_names as zone
    where zone.name = set_time_zone.time_zone
      and zone.name !~ '^(posix/|posixrules$|localtime$|Factory$)'
  ) then
    perform crm_private.refuse_argument(
      'timeZone',
      crm_private.fault_message('%s is not the IANA name of a time zone', to_jsonb(time_zone)),
      'settings_time_zone_known'
    );
  end if;

  update crm_private.settings as setting set time_zone = set_time_zone.time_zone;
  perform crm_private.log_event(
    'setting', 'update',
    jsonb_build_object('time_zone', jsonb_build_object('old', v_old, 'new', time_zone)),
    clock_timestamp()
  );

  return time_zone;
end
$$;

comment on function crm_private.set_time_zone(text) is
  'Implements crm.set_time_zone with the rights of the owner.';

revoke all on function crm_private.set_time_zone(text) from public;
grant execute on function crm_private.set_time_zone(text) to crm_admin;

create or replace function crm.set_time_zone(time_zone text)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_time_zone(time_zone);
$$;

comment on function crm.set_time_zone(text) is
  'Sets the time zone that decides when a day begins, unless a request names another one. It is '
  'an IANA name, such as Europe/Berlin. For administrators.';

revoke all on function crm.set_time_zone(text) from public;
grant execute on function crm.set_time_zone(text) to crm_admin;
