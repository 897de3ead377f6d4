/* The expected value of open deals. Read by analysts, with the owner's rights. */
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
  'The expected value of open deals, by the month in which they are expected to close and by '
  'currency. Past months contain deals that are overdue.';
comment on column reporting.forecast.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast.currency is 'The currency of both values.';
comment on column reporting.forecast.deals is
  'The number of open deals expected to close in the month.';
comment on column reporting.forecast.value is 'The total value of these deals.';
comment on column reporting.forecast.weighted_value is
  'The total value of these deals, each multiplied by its probability.';

grant select on reporting.forecast to crm_reporter;
