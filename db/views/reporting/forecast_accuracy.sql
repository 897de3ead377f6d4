/*
 * The forecast at the beginning of a month, compared with its result. The months are joined first,
 * so that a query for one month computes one past pipeline. Read by analysts, with the owner's
 * rights.
 */
create or replace view reporting.forecast_accuracy as
  select
    listed.month,
    told.currency,
    told.forecast_deals,
    told.forecast_value,
    told.forecast_weighted_value,
    told.won,
    told.won_value,
    told.forecast_won,
    told.forecast_won_value,
    told.forecast_lost,
    told.forecast_deals - told.forecast_won - told.forecast_lost as slipped
  from (
    select clock.zone, month::date as month
    from crm_private.clock as clock
    cross join lateral (select min("timestamp") from crm.audit_logs) as first ("timestamp")
    cross join lateral generate_series(
      date_trunc('month', first."timestamp" at time zone clock.zone),
      date_trunc('month', clock.today::timestamp),
      interval '1 month'
    ) as month
    where month::timestamp at time zone clock.zone >= first."timestamp"
  ) as listed
  cross join lateral (
    select
      coalesce(deal.currency, closed.currency)                                   as currency,
      count(deal.deal_id)                                                        as forecast_deals,
      coalesce(sum(deal.value), 0)                                               as forecast_value,
      coalesce(round(sum(deal.value * deal.probability) * 0.01, 2), 0)
        as forecast_weighted_value,
      count(*) filter (where closed.kind = 'won')                                as won,
      coalesce(sum(closed.value) filter (where closed.kind = 'won'), 0)          as won_value,
      count(deal.deal_id) filter (where closed.kind = 'won')                     as forecast_won,
      coalesce(
        sum(closed.value) filter (where closed.kind = 'won' and deal.deal_id is not null), 0
      )                                                                          as forecast_won_value,
      count(deal.deal_id) filter (where closed.kind = 'lost')                    as forecast_lost
    from (
      select was.*
      from crm_private.deals_as_of(
        listed.month::timestamp at time zone listed.zone
      ) as was
      join crm.pipeline_stages as stage on stage.id = was.stage_id
      where stage.kind = 'open'
        and was.close_date >= listed.month
        and was.close_date < listed.month + interval '1 month'
    ) as deal
    full join (
      select record.id, record.currency, record.value, stage.kind
      from crm.deals as record
      join crm.pipeline_stages as stage on stage.name = record.stage
      where record.closed_at >= listed.month::timestamp at time zone listed.zone
        and record.closed_at < (listed.month + interval '1 month') at time zone listed.zone
    ) as closed on closed.id = deal.deal_id
    where deal.deal_id is not null
      or closed.kind = 'won'
    group by coalesce(deal.currency, closed.currency)
  ) as told;

comment on view reporting.forecast_accuracy is
  'The accuracy of the forecast for a month: the deals that were open at its beginning and '
  'expected to close in it, and the deals won and lost in it. One row for each currency. Months '
  'that began before the audit log are left out. Query few months at a time: the pipeline of each '
  'is computed separately.';
comment on column reporting.forecast_accuracy.month is 'The first day of the month.';
comment on column reporting.forecast_accuracy.currency is 'The currency of all values.';
comment on column reporting.forecast_accuracy.forecast_deals is
  'The number of deals that were open at the beginning of the month and expected to close in it.';
comment on column reporting.forecast_accuracy.forecast_value is
  'The total value of these deals at that time.';
comment on column reporting.forecast_accuracy.forecast_weighted_value is
  'The total value of these deals at that time, each multiplied by its probability.';
comment on column reporting.forecast_accuracy.won is
  'The number of deals won in the month, whether expected or not.';
comment on column reporting.forecast_accuracy.won_value is 'The total value of the deals won.';
comment on column reporting.forecast_accuracy.forecast_won is
  'The number of expected deals that were won in the month.';
comment on column reporting.forecast_accuracy.forecast_won_value is
  'The total value of the expected deals that were won.';
comment on column reporting.forecast_accuracy.forecast_lost is
  'The number of expected deals that were lost in the month.';
comment on column reporting.forecast_accuracy.slipped is
  'The number of expected deals that were neither won nor lost in the month.';

grant select on reporting.forecast_accuracy to crm_reporter;
