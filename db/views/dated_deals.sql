/*
 * The deals, each with the day at whose rate reports convert it: the close date of a closed one, today
 * for an open one, and for a closed one without a date.
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
    case stage.kind
      when 'open' then (now() at time zone 'UTC')::date
      else coalesce(deal.close_date, (now() at time zone 'UTC')::date)
    end as day
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage;

comment on view crm_private.dated_deals is
  'The deals, each with the day at whose rate reports convert it.';
