/*
 * The pipeline on any day. The days are joined first, so that a query for one day computes one past
 * pipeline. Read by analysts, with the owner's rights.
 */
create or replace view reporting.pipeline_by_day as
  select
    listed.day,
    held.stage,
    held.position,
    held.kind,
    held.currency,
    held.deals,
    held.value,
    held.weighted_value,
    held.stage_id
  from (
    select clock.zone, clock.today, day::date as day
    from crm_private.clock as clock
    cross join lateral (select min("timestamp") from crm.audit_logs) as first ("timestamp")
    cross join lateral generate_series(
      (first."timestamp" at time zone clock.zone)::date::timestamp, clock.today::timestamp,
      interval '1 day'
    ) as day
  ) as listed
  cross join lateral (
    select
      deal.stage_id,
      deal.stage,
      stage.position,
      stage.kind,
      deal.currency,
      count(*)                                             as deals,
      sum(deal.value)                                      as value,
      round(sum(deal.value * deal.probability) * 0.01, 2)  as weighted_value
    from crm_private.deals_as_of(
      (listed.day + 1)::timestamp at time zone listed.zone - interval '1 microsecond'
    ) as deal
    left join crm.pipeline_stages as stage on stage.id = deal.stage_id
    group by deal.stage_id, deal.stage, stage.position, stage.kind, deal.currency
  ) as held;

comment on view reporting.pipeline_by_day is
  'The pipeline at the end of each day since the audit log begins, and the current pipeline for '
  'today. One row for each stage and currency. Query few days at a time: the pipeline of each is '
  'computed separately.';
comment on column reporting.pipeline_by_day.day is 'The day.';
comment on column reporting.pipeline_by_day.stage is
  'The current name of the stage, or its last name if the stage was deleted.';
comment on column reporting.pipeline_by_day.position is
  'The current position of the stage in the pipeline. Null if the stage was deleted.';
comment on column reporting.pipeline_by_day.kind is
  'The current kind of the stage: open, won or lost. Null if the stage was deleted.';
comment on column reporting.pipeline_by_day.currency is 'The currency of both values.';
comment on column reporting.pipeline_by_day.deals is 'The number of deals in the stage.';
comment on column reporting.pipeline_by_day.value is 'The total value of these deals at that time.';
comment on column reporting.pipeline_by_day.weighted_value is
  'The total value of these deals at that time, each multiplied by its probability.';
comment on column reporting.pipeline_by_day.stage_id is 'The id of the stage.';

grant select on reporting.pipeline_by_day to crm_reporter;
