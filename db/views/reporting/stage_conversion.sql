/* How far deals advance. Read by analysts, with the owner's rights. */
create or replace view reporting.stage_conversion as
  with periods as materialized (
    select deal_id, stage_id, entered_at, left_at from reporting.stage_periods
  ),
  visits as (
    -- One row for each deal and stage, even if the deal was there several times.
    select
      period.deal_id,
      stage.id                             as stage_id,
      bool_or(period.left_at is null)      as is_present,
      max(stage.position)                  as position,
      max(max(stage.position)) filter (where stage.kind <> 'lost')
        over (partition by period.deal_id) as furthest
    from periods as period
    join crm.pipeline_stages as stage on stage.id = period.stage_id
    group by period.deal_id, stage.id
  ),
  deals as (
    select
      stage_id,
      count(*)                                    as entered,
      count(*) filter (where is_present)          as present,
      count(*) filter (where furthest > position) as advanced
    from visits
    group by stage_id
  ),
  stays as (
    select
      stage_id,
      avg(left_at - entered_at)                                         as average,
      percentile_cont(0.5) within group (order by left_at - entered_at) as median
    from periods
    where left_at is not null
    group by stage_id
  )

  select
    stage.name                                                   as stage,
    stage.position,
    stage.kind,
    coalesce(deals.entered, 0)                                   as entered,
    coalesce(deals.present, 0)                                   as present,
    coalesce(deals.advanced, 0)                                  as advanced,
    case stage.kind
      when 'open' then round(deals.advanced::numeric / deals.entered, 4)
    end                                                          as conversion_rate,
    round(extract(epoch from stays.average)::numeric / 86400, 2) as average_days,
    round(extract(epoch from stays.median)::numeric / 86400, 2)  as median_days
  from crm.pipeline_stages as stage
  left join deals on deals.stage_id = stage.id
  left join stays on stays.stage_id = stage.id;

comment on view reporting.stage_conversion is
  'How many deals enter each stage, how many of them advance, and how long they stay. Deleted '
  'deals are left out.';
comment on column reporting.stage_conversion.stage is 'The name of the stage.';
comment on column reporting.stage_conversion.position is
  'The position of the stage in the pipeline.';
comment on column reporting.stage_conversion.kind is 'The kind of the stage: open, won or lost.';
comment on column reporting.stage_conversion.entered is
  'The number of deals that have ever been in the stage, under any name of it.';
comment on column reporting.stage_conversion.present is 'The number of deals in the stage now.';
comment on column reporting.stage_conversion.advanced is
  'The number of entered deals that have reached a later stage, lost stages excluded.';
comment on column reporting.stage_conversion.conversion_rate is
  'advanced divided by entered, from 0 to 1. Null if no deal entered, and for won and lost stages.';
comment on column reporting.stage_conversion.average_days is
  'The average number of days in the stage, over all periods that have ended.';
comment on column reporting.stage_conversion.median_days is
  'The median number of days in the stage, over all periods that have ended.';

grant select on reporting.stage_conversion to crm_reporter;
