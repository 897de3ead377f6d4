/* The pipeline on any day, in the base currency. Analysts read it with the rights of its owner. */
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
  'The pipeline at the end of each day in the base currency, at the rates of the day. Deals of a '
  'currency that had no rate then have a row of their own, in that currency. Ask for few days.';
comment on column reporting.pipeline_by_day_in_base.day is 'The day.';
comment on column reporting.pipeline_by_day_in_base.stage is
  'The name that the stage has now; of one that is gone, the last.';
comment on column reporting.pipeline_by_day_in_base.position is
  'Where the stage stands in the pipeline now; null if it is gone.';
comment on column reporting.pipeline_by_day_in_base.kind is
  'open, won or lost: what the stage is now; null if it is gone.';
comment on column reporting.pipeline_by_day_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_by_day_in_base.deals is 'How many deals were in the stage.';
comment on column reporting.pipeline_by_day_in_base.value is 'Their value then.';
comment on column reporting.pipeline_by_day_in_base.weighted_value is
  'Their value, each multiplied by the probability that its deal had.';
comment on column reporting.pipeline_by_day_in_base.stage_id is 'The id of the stage.';

grant select on reporting.pipeline_by_day_in_base to crm_reporter;
