/*
 * Phase 210: refuses a rate of the base currency, which is always worth one. The row of settings is
 * locked until the transaction ends, so that the base currency cannot change in between.
 *
 * Security definer: only the owner can read the settings.
 */

create or replace function crm_private.refuse_base_rate()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_base text;
begin
  select base_currency into v_base from crm_private.settings for share;

  if new.currency = v_base then
    raise exception 'exchange_rates: currency is the base currency'
      using errcode    = 'check_violation',
            schema     = tg_table_schema, table = tg_table_name, column = 'currency',
            constraint = 'exchange_rates_currency_foreign',
            detail     = '{"currency": ["is the base currency"]}',
            hint       = 'Leave the base currency out; its rate is always 1.';
  end if;

  return new;
end
$$;

comment on function crm_private.refuse_base_rate() is
  'Refuses a rate of the base currency.';

revoke all on function crm_private.refuse_base_rate() from public;

create or replace trigger _210_refuse_base before insert or update on crm.exchange_rates
  for each row execute function crm_private.refuse_base_rate();
