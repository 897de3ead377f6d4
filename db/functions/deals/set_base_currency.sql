/*
 * Sets the currency to which exchange rates convert. Raises while there are exchange rates, because
 * their meaning would change. Logged if it changes the setting. Locks the row of the setting, as
 * writers of a rate do, so no rate can be added concurrently.
 *
 * Security definer: only the owner can write the table of settings.
 */
create or replace function crm_private.set_base_currency(currency text)
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

  perform crm_private.refuse_null('currency', currency);
  select base_currency into v_old from crm_private.settings for update;

  if currency = v_old then
    return currency;
  end if;

  v_message := case
    when currency <> all (crm.currencies()) then crm_private.fault_message(
      '%s is not an ISO 4217 currency code', to_jsonb(currency)
    )
    when exists (select from crm.exchange_rates) then format(
      'cannot be changed while there are exchange rates: %s',
      (select count(*) from crm.exchange_rates)
    )
  end;

  if v_message is not null then
    raise exception 'set_base_currency: currency %', v_message
      using errcode    = 'check_violation',
            schema     = 'crm', column = 'currency',
            constraint = case when currency = any (crm.currencies())
              then 'settings_base_currency_unused' else 'settings_base_currency_known'
            end,
            detail     = jsonb_build_object('currency', jsonb_build_array(v_message))::text,
            hint       = case when currency = any (crm.currencies())
              then 'Delete the exchange rates first, and then enter those to the new one.'
              else 'Pass one of the codes that crm.currencies() returns.'
            end;
  end if;

  update crm_private.settings set base_currency = currency;
  perform crm_private.log_event(
    'setting', 'update',
    jsonb_build_object('base_currency', jsonb_build_object('old', v_old, 'new', currency)),
    clock_timestamp()
  );

  return currency;
end
$$;

comment on function crm_private.set_base_currency(text) is
  'Implements crm.set_base_currency with the rights of the owner.';

revoke all on function crm_private.set_base_currency(text) from public;
grant execute on function crm_private.set_base_currency(text) to crm_admin;

create or replace function crm.set_base_currency(currency text)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.set_base_currency(currency);
$$;

comment on function crm.set_base_currency(text) is
  'Sets the currency to which exchange rates convert. Refused while there are exchange rates. '
  'For administrators.';

revoke all on function crm.set_base_currency(text) from public;
grant execute on function crm.set_base_currency(text) to crm_admin;
