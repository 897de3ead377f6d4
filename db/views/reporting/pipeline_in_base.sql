/* What is in each stage, in the base currency. Analysts read it with the rights of its owner. */
create or replace view reporting.pipeline_in_base as
  select
    stage.name                                                             as stage,
    stage.position,
    stage.kind,
    conversion.converted_currency                                          as currency,
    coalesce(sum(summed.deals), 0)::bigint                                 as deals,
    coalesce(round(sum(summed.value * conversion.factor), 2), 0)           as value,
    coalesce(round(sum(summed.percents * conversion.factor) * 0.01, 2), 0) as weighted_value
  from crm.pipeline_stages as stage
  left join (
    -- The sums of a day are converted: fewer than deals, and the same.
    select
      stage,
      currency,
      day,
      count(*)                 as deals,
      sum(value)               as value,
      sum(value * probability) as percents
    from crm_private.dated_deals
    group by stage, currency, day
  ) as summed on summed.stage = stage.name
  left join crm_private.conversions as conversion
    on conversion.currency = summed.currency and conversion.day = summed.day
  group by stage.id, conversion.converted_currency;

comment on view reporting.pipeline_in_base is
  'The deals of each stage in the base currency: open ones at today''s rate, closed ones at that of '
  'the day on which they closed. Deals of a currency that has no rate for the day '
  'have a row of their own, in that currency. Sums are rounded, not what is added up. A stage '
  'without deals has one row without a currency.';
comment on column reporting.pipeline_in_base.stage is 'The name of the stage.';
comment on column reporting.pipeline_in_base.position is 'Where the stage stands in the pipeline.';
comment on column reporting.pipeline_in_base.kind is 'open, won or lost.';
comment on column reporting.pipeline_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_in_base.deals is 'How many deals are in the stage.';
comment on column reporting.pipeline_in_base.value is 'Their value.';
comment on column reporting.pipeline_in_base.weighted_value is
  'Their value, each multiplied by the probability of its deal.';

grant select on reporting.pipeline_in_base to crm_reporter;
