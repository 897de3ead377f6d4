/* The rates that reports convert by. Analysts read it with the rights of its owner. */
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
  'What one unit of a currency is worth in the base currency, and from when to when.';
comment on column reporting.exchange_rates.currency is 'The currency, as an ISO 4217 code.';
comment on column reporting.exchange_rates.base_currency is 'The currency that the rate is in.';
comment on column reporting.exchange_rates.valid_from is 'The first day of the rate.';
comment on column reporting.exchange_rates.valid_to is 'The last day; null for the rate of now.';
comment on column reporting.exchange_rates.rate is
  'Units of the base currency for one unit of the currency.';

grant select on reporting.exchange_rates to crm_reporter;
