/*
 * Sets the number of days for which the name of a renamed or deleted custom field stays in the API.
 * Raises if the number is null or out of range. Names whose time is over are removed at once; a
 * later increase does not bring them back. Writes an audit log entry if the value changes.
 *
 * Security definer: only the owner can write the table of settings.
 */
create or replace function crm_private.set_former_field_retention(days integer)
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

  perform crm_private.refuse_null('days', days::text);
  if days not between 0 and 36500 then
    perform crm_private.refuse_argument(
      'days', 'must be from 0 to 36500', 'settings_former_field_retention_days_range'
    );
  end if;

  select former_field_retention_days into v_old from crm_private.settings for update;

  if days <> v_old then
    update crm_private.settings set former_field_retention_days = days;
    perform crm_private.log_event(
      'setting', 'update',
      jsonb_build_object(
        'former_field_retention_days', jsonb_build_object('old', v_old, 'new', days)
      ),
      clock_timestamp()
    );
    -- Always in the same order, so that two changes cannot deadlock.
    perform crm_private.compile_former_fields(listed.entity_type)
    from (
      select entity_type
      from crm_private.former_custom_fields
      group by entity_type
      order by entity_type
    ) as listed;
  end if;

  return days;
end
$$;

comment on function crm_private.set_former_field_retention(integer) is
  'Implements crm.set_former_field_retention with the rights of the owner.';

revoke all on function crm_private.set_former_field_retention(integer) from public;
grant execute on function crm_private.set_former_field_retention(integer) to crm_admin;

create or replace function crm.set_former_field_retention(days integer)
returns integer
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_former_field_retention(days);
$$;

comment on function crm.set_former_field_retention(integer) is
  'Sets the number of days for which the name of a renamed or deleted custom field stays in the '
  'API, as a deprecated field, from 0 to 36500. Names whose time is over are removed at once. For '
  'administrators.';

revoke all on function crm.set_former_field_retention(integer) from public;
grant execute on function crm.set_former_field_retention(integer) to crm_admin;
