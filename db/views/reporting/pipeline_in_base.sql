/* The pipeline, in the base currency. Read by analysts, with the owner's rights. */
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
    -- Converts the sums of a day, which are fewer than deals; the result is the same.
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
  'The deals of each stage in the base currency: open deals at today''s rate, closed deals at the '
  'rate of the day on which they closed. Deals in a currency that has no rate for the day have a '
  'separate row, in that currency. Sums are rounded, their addends are not. A stage without deals '
  'has one row without a currency.';
comment on column reporting.pipeline_in_base.stage is 'The name of the stage.';
comment on column reporting.pipeline_in_base.position is
  'The position of the stage in the pipeline.';
comment on column reporting.pipeline_in_base.kind is 'The kind of the stage: open, won or lost.';
comment on column reporting.pipeline_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.pipeline_in_base.deals is 'The number of deals in the stage.';
comment on column reporting.pipeline_in_base.value is 'The total value of these deals.';
comment on column reporting.pipeline_in_base.weighted_value is
  'The total value of these deals, each multiplied by its probability.';

grant select on reporting.pipeline_in_base to crm_reporter;
