/* The rates by which reports convert. Read by analysts, with the owner's rights. */
create or replace view reporting.exchange_rates as
  select
    exchange_rate.currency,
    setting.base_currency,
    exchange_rate.valid_from,
    lead(exchange_rate.valid_from)
      over (partition by exchange_rate.currency order by exchange_rate.valid_from) - 1 as valid_to,
    exchange_rate.rate
  from crm.exchange_rates as exchange_rate
  cross join crm_private.settings as setting;

comment on view reporting.exchange_rates is
  'The value of one unit of a currency in the base currency, and the days for which it applies.';
comment on column reporting.exchange_rates.currency is 'The currency, as an ISO 4217 code.';
comment on column reporting.exchange_rates.base_currency is
  'The currency in which the rate is given.';
comment on column reporting.exchange_rates.valid_from is 'The first day of the rate.';
comment on column reporting.exchange_rates.valid_to is
  'The last day of the rate. Null if it is the last rate of the currency.';
comment on column reporting.exchange_rates.rate is
  'The number of units of the base currency for one unit of the currency.';

grant select on reporting.exchange_rates to crm_reporter;
