/*
 * The expected value of open deals, in the base currency. Read by analysts, with the owner's
 * rights.
 */
create or replace view reporting.forecast_in_base as
  select
    summed.month,
    conversion.converted_currency                             as currency,
    sum(summed.deals)::bigint                                 as deals,
    round(sum(summed.value * conversion.factor), 2)           as value,
    round(sum(summed.percents * conversion.factor) * 0.01, 2) as weighted_value
  from (
    -- Converts the sums of a month, which are fewer than deals; the result is the same.
    select
      date_trunc('month', close_date::timestamp)::date as month,
      currency,
      day,
      count(*)                                         as deals,
      sum(value)                                       as value,
      sum(value * probability)                         as percents
    from crm_private.dated_deals
    where kind = 'open'
    group by 1, 2, 3
  ) as summed
  join crm_private.conversions as conversion
    on conversion.currency = summed.currency and conversion.day = summed.day
  group by 1, 2;

comment on view reporting.forecast_in_base is
  'The expected value of open deals in the base currency, at today''s rates, by the month in which '
  'they are expected to close. Deals in a currency that has no rate today have a separate row, in '
  'that currency. Past months contain deals that are overdue.';
comment on column reporting.forecast_in_base.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.forecast_in_base.deals is
  'The number of open deals expected to close in the month.';
comment on column reporting.forecast_in_base.value is 'The total value of these deals.';
comment on column reporting.forecast_in_base.weighted_value is
  'The total value of these deals, each multiplied by its probability.';

grant select on reporting.forecast_in_base to crm_reporter;
