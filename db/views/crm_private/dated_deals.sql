/*
 * The deals, each with the day of the exchange rate by which reports convert it: the day on which
 * it closed, or today if it is open.
 */
create or replace view crm_private.dated_deals as
  select
    deal.id,
    deal.company_id,
    deal.owner_id,
    deal.stage,
    stage.kind,
    deal.probability,
    deal.value,
    deal.currency,
    deal.close_date,
    deal.created_at,
    coalesce((deal.closed_at at time zone clock.zone)::date, clock.today) as day,
    deal.closed_at,
    clock.zone
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  cross join crm_private.clock as clock;

comment on view crm_private.dated_deals is
  'The deals, each with the day of the exchange rate by which reports convert it.';
