/* The pipeline on any day, in the base currency. Read by analysts, with the owner's rights. */
create or replace view reporting.pipeline_by_day_in_base as
  select
    summed.day,
    summed.stage,
    summed.position,
    summed.kind,
    conversion.currency,
    sum(summed.deals)::bigint                                     as deals,
    round(sum(summed.value * conversion.factor), 2)               as value,
    round(sum(summed.weighted_value * conversion.factor), 2)      as weighted_value,
    summed.stage_id
  from reporting.pipeline_by_day as summed
  cross join crm_private.settings as setting
  left join lateral (
    select exchange_rate.rate
    from crm.exchange_rates as exchange_rate
    where exchange_rate.currency = summed.currency
      and exchange_rate.valid_from <= summed.day
    order by exchange_rate.valid_from desc
    limit 1
  ) as dated on true
  cross join lateral (
    select
      case when dated.rate is null then summed.currency else setting.base_currency end as currency,
      coalesce(dated.rate, 1)                                              as factor
  ) as conversion
  group by
    summed.day, summed.stage_id, summed.stage, summed.position, summed.kind, conversion.currency;

comment on view reporting.pipeline_by_day_in_base is
  'The pipeline at the end of each day in the base currency, at the rates of the day. Deals in a '
  'currency that had no rate on that day have a separate row, in that currency. Query few days at '
  'a time.';
comment on column reporting.pipeline_by_day_in_base.day is 'The day.';
comment on column reporting.pipeline_by_day_in_base.stage is
  'The current name of the stage, or its last name if the stage was deleted.';
comment on column reporting.pipeline_by_day_in_base.position is
  'The current position of the stage in the pipeline. Null if the stage was deleted.';
comment on column reporting.pipeline_by_day_in_base.kind is
  'The current kind of the stage: open, won or lost. Null if the stage was deleted.';
comment on column reporting.pipeline_by_day_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_by_day_in_base.deals is 'The number of deals in the stage.';
comment on column reporting.pipeline_by_day_in_base.value is
  'The total value of these deals at that time.';
comment on column reporting.pipeline_by_day_in_base.weighted_value is
  'The total value of these deals at that time, each multiplied by its probability.';
comment on column reporting.pipeline_by_day_in_base.stage_id is 'The id of the stage.';

grant select on reporting.pipeline_by_day_in_base to crm_reporter;
