/* The pipeline. Read by analysts, with the owner's rights. */
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
comment on column reporting.pipeline.position is 'The position of the stage in the pipeline.';
comment on column reporting.pipeline.kind is 'The kind of the stage: open, won or lost.';
comment on column reporting.pipeline.currency is 'The currency of both values.';
comment on column reporting.pipeline.deals is 'The number of deals in the stage.';
comment on column reporting.pipeline.value is 'The total value of these deals.';
comment on column reporting.pipeline.weighted_value is
  'The total value of these deals, each multiplied by its probability.';

grant select on reporting.pipeline to crm_reporter;
