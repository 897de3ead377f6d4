/* What open deals may bring, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.forecast_in_base as
  select
    summed.month,
    conversion.converted_currency                             as currency,
    sum(summed.deals)::bigint                                 as deals,
    round(sum(summed.value * conversion.factor), 2)           as value,
    round(sum(summed.percents * conversion.factor) * 0.01, 2) as weighted_value
  from (
    -- The sums of a month are converted: fewer than deals, and the same.
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
  'What open deals may bring in the base currency, at today''s rates, by the month in which they are to '
  'close. Deals of a currency that has no rate today have a row of their own, in that currency. Months '
  'that are over hold what is late.';
comment on column reporting.forecast_in_base.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.forecast_in_base.deals is 'How many open deals are to close in the month.';
comment on column reporting.forecast_in_base.value is 'Their value.';
comment on column reporting.forecast_in_base.weighted_value is
  'Their value, each multiplied by the probability of its deal: what is to be expected.';

grant select on reporting.forecast_in_base to crm_reporter;
