/* The accuracy of forecasts, in the base currency. Read by analysts, with the owner's rights. */
create or replace view reporting.forecast_accuracy_in_base as
  select
    summed.month,
    conversion.currency,
    sum(summed.forecast_deals)::bigint                                  as forecast_deals,
    round(sum(summed.forecast_value * conversion.factor), 2)            as forecast_value,
    round(sum(summed.forecast_weighted_value * conversion.factor), 2)   as forecast_weighted_value,
    sum(summed.won)::bigint                                             as won,
    round(sum(summed.won_value * conversion.factor), 2)                 as won_value,
    sum(summed.forecast_won)::bigint                                    as forecast_won,
    round(sum(summed.forecast_won_value * conversion.factor), 2)        as forecast_won_value,
    sum(summed.forecast_lost)::bigint                                   as forecast_lost,
    sum(summed.slipped)::bigint                                         as slipped
  from reporting.forecast_accuracy as summed
  cross join crm_private.settings as setting
  left join lateral (
    select exchange_rate.rate
    from crm.exchange_rates as exchange_rate
    where exchange_rate.currency = summed.currency
      and exchange_rate.valid_from <= summed.month
    order by exchange_rate.valid_from desc
    limit 1
  ) as dated on true
  cross join lateral (
    select
      case when dated.rate is null then summed.currency else setting.base_currency end as currency,
      coalesce(dated.rate, 1)                                              as factor
  ) as conversion
  group by summed.month, conversion.currency;

comment on view reporting.forecast_accuracy_in_base is
  'The accuracy of the forecast for a month, in the base currency, at the rates of its first day. '
  'Deals in a currency that had no rate on that day have a separate row, in that currency. Query '
  'few months at a time.';
comment on column reporting.forecast_accuracy_in_base.month is 'The first day of the month.';
comment on column reporting.forecast_accuracy_in_base.currency is
  'The currency of all values: the base currency, or that of deals without a rate.';
comment on column reporting.forecast_accuracy_in_base.forecast_deals is
  'The number of deals that were open at the beginning of the month and expected to close in it.';
comment on column reporting.forecast_accuracy_in_base.forecast_value is
  'The total value of these deals at that time.';
comment on column reporting.forecast_accuracy_in_base.forecast_weighted_value is
  'The total value of these deals at that time, each multiplied by its probability.';
comment on column reporting.forecast_accuracy_in_base.won is
  'The number of deals won in the month, whether expected or not.';
comment on column reporting.forecast_accuracy_in_base.won_value is
  'The total value of the deals won.';
comment on column reporting.forecast_accuracy_in_base.forecast_won is
  'The number of expected deals that were won in the month.';
comment on column reporting.forecast_accuracy_in_base.forecast_won_value is
  'The total value of the expected deals that were won.';
comment on column reporting.forecast_accuracy_in_base.forecast_lost is
  'The number of expected deals that were lost in the month.';
comment on column reporting.forecast_accuracy_in_base.slipped is
  'The number of expected deals that were neither won nor lost in the month.';

grant select on reporting.forecast_accuracy_in_base to crm_reporter;
