/*
 * Converts an amount to the base currency at the rate of a day, exactly: callers that add amounts
 * up round the sum. For single amounts; reports convert with crm_private.conversions.
 */
create or replace function crm.in_base_currency(
  amount   numeric,
  currency text,
  day      date default crm.today()
)
returns numeric
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select amount * case
    when currency = crm.base_currency() then 1
    else (
      select exchange_rate.rate
      from crm.exchange_rates as exchange_rate
      where exchange_rate.currency = in_base_currency.currency
        and exchange_rate.valid_from <= day
      order by exchange_rate.valid_from desc
      limit 1
    )
  end;
$$;

comment on function crm.in_base_currency(numeric, text, date) is
  'Converts an amount to the base currency, at the rate of a day (default: today), without '
  'rounding. Null if the currency has no rate for the day.';

revoke all on function crm.in_base_currency(numeric, text, date) from public;
grant execute on function crm.in_base_currency(numeric, text, date) to crm_reader;
