/* What is in each stage. Analysts read it with the rights of its owner. */
create or replace view reporting.pipeline as
  select
    stage.name                                                      as stage,
    stage.position,
    stage.kind,
    deal.currency,
    count(deal.id)                                                  as deals,
    coalesce(sum(deal.value), 0)                                    as value,
    coalesce(round(sum(deal.value * deal.probability / 100), 2), 0) as weighted_value
  from crm.pipeline_stages as stage
  left join crm.deals as deal on deal.stage = stage.name
  group by stage.id, deal.currency;

comment on view reporting.pipeline is
  'The deals of each stage, one row for each currency. A stage without deals has one row without a '
  'currency.';
comment on column reporting.pipeline.stage is 'The name of the stage.';
comment on column reporting.pipeline.position is 'Where the stage stands in the pipeline.';
comment on column reporting.pipeline.kind is 'open, won or lost.';
comment on column reporting.pipeline.currency is 'The currency of both values.';
comment on column reporting.pipeline.deals is 'How many deals are in the stage.';
comment on column reporting.pipeline.value is 'Their value.';
comment on column reporting.pipeline.weighted_value is
  'Their value, each multiplied by the probability of its deal.';

grant select on reporting.pipeline to crm_reporter;
