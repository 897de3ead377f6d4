/*
 * Sets the country of phone numbers without a country code; null removes it. Raises if there is no
 * such country. Writes an audit log entry if the value changes. Nothing is recomputed: rows contain
 * digits, which are interpreted when they are compared.
 *
 * Security definer: only the owner can write the table of settings.
 */
create or replace function crm_private.set_default_country(country text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old     text;
  v_message text;
begin
  perform crm_private.caller_is_authenticated();

  select default_country into v_old from crm_private.settings for update;

  if country is distinct from v_old then
    if country is not null and not exists (select from crm_private.phone_plan(country)) then
      v_message := crm_private.fault_message(
        '%s is not an ISO 3166 country code', to_jsonb(country)
      );
      raise exception 'set_default_country: country %', v_message
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'settings', column = 'country',
              constraint = 'settings_default_country_known',
              detail     = jsonb_build_object('country', jsonb_build_array(v_message))::text,
              hint       = 'Pass two capital letters, such as DE, or null.';
    end if;

    update crm_private.settings set default_country = country;
    perform crm_private.log_event(
      'setting', 'update',
      jsonb_build_object('default_country', jsonb_build_object('old', v_old, 'new', country)),
      clock_timestamp()
    );
  end if;

  return country;
end
$$;

comment on function crm_private.set_default_country(text) is
  'Implements crm.set_default_country with the rights of the owner.';

revoke all on function crm_private.set_default_country(text) from public;
grant execute on function crm_private.set_default_country(text) to crm_admin;

create or replace function crm.set_default_country(country text)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_default_country(country);
$$;

comment on function crm.set_default_country(text) is
  'Sets the country of phone numbers without a country code, as an ISO 3166 code such as DE; null '
  'removes it. It decides which numbers are equal in search and among duplicates. For '
  'administrators.';

revoke all on function crm.set_default_country(text) from public;
grant execute on function crm.set_default_country(text) to crm_admin;
