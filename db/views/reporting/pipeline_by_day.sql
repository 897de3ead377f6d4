/*
 * The pipeline on any day. The days come first, so that a question about one looks back once. Analysts read
 * it with the rights of its owner.
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
  'The pipeline at the end of each day since the audit log begins, and today as it is: what each stage '
  'held, one row for each currency. Ask for few days: each is looked back to by itself.';
comment on column reporting.pipeline_by_day.day is 'The day.';
comment on column reporting.pipeline_by_day.stage is
  'The name that the stage has now; of one that is gone, the last.';
comment on column reporting.pipeline_by_day.position is
  'Where the stage stands in the pipeline now; null if it is gone.';
comment on column reporting.pipeline_by_day.kind is
  'open, won or lost: what the stage is now; null if it is gone.';
comment on column reporting.pipeline_by_day.currency is 'The currency of both values.';
comment on column reporting.pipeline_by_day.deals is 'How many deals were in the stage.';
comment on column reporting.pipeline_by_day.value is 'Their value then.';
comment on column reporting.pipeline_by_day.weighted_value is
  'Their value, each multiplied by the probability that its deal had.';
comment on column reporting.pipeline_by_day.stage_id is 'The id of the stage.';

grant select on reporting.pipeline_by_day to crm_reporter;
