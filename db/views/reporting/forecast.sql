/* What open deals may bring. Analysts read it with the rights of its owner. */
create or replace view reporting.forecast as
  select
    date_trunc('month', deal.close_date::timestamp)::date as month,
    deal.currency,
    count(*)                                              as deals,
    sum(deal.value)                                       as value,
    round(sum(deal.value * deal.probability / 100), 2)    as weighted_value
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  where stage.kind = 'open'
  group by 1, 2;

comment on view reporting.forecast is
  'What open deals may bring, by the month in which they are to close and by currency. Months that '
  'are over hold what is late.';
comment on column reporting.forecast.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast.currency is 'The currency of both values.';
comment on column reporting.forecast.deals is 'How many open deals are to close in the month.';
comment on column reporting.forecast.value is 'Their value.';
comment on column reporting.forecast.weighted_value is
  'Their value, each multiplied by the probability of its deal: what is to be expected.';

grant select on reporting.forecast to crm_reporter;
