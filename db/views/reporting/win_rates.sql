/* Win rates. Read by analysts, with the owner's rights. */
create or replace view reporting.win_rates as
  select
    date_trunc('month', deal.closed_at at time zone clock.zone)::date as month,
    deal.owner_id,
    deal.company_id,
    company.name                                                     as company,
    deal.currency,
    count(*) filter (where stage.kind = 'won')                       as won,
    count(*) filter (where stage.kind = 'lost')                      as lost,
    round(avg((stage.kind = 'won')::integer), 4)                     as win_rate,
    coalesce(sum(deal.value) filter (where stage.kind = 'won'), 0)   as won_value,
    coalesce(sum(deal.value) filter (where stage.kind = 'lost'), 0)  as lost_value,
    sum(cycle.days) filter (where stage.kind = 'won')                as won_days,
    round(avg(cycle.days) filter (where stage.kind = 'won'), 2)      as average_cycle
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  join crm.companies as company on company.id = deal.company_id
  cross join crm_private.clock as clock
  cross join lateral (
    select (deal.closed_at at time zone clock.zone)::date - (deal.created_at at time zone clock.zone)::date
  ) as cycle (days)
  where stage.kind in ('won', 'lost')
  group by 1, 2, 3, 4, 5;

comment on view reporting.win_rates is
  'Deals won and lost, by month, owner, company and currency. For a total rate, sum won and lost '
  'first, then divide; the rates of rows cannot be averaged.';
comment on column reporting.win_rates.month is
  'The first day of the month in which the deals were won or lost.';
comment on column reporting.win_rates.owner_id is
  'The user who owns the deals. Null if nobody does.';
comment on column reporting.win_rates.company_id is 'The id of the company.';
comment on column reporting.win_rates.company is 'The name of the company.';
comment on column reporting.win_rates.currency is 'The currency of both values.';
comment on column reporting.win_rates.won is 'The number of deals won.';
comment on column reporting.win_rates.lost is 'The number of deals lost.';
comment on column reporting.win_rates.win_rate is
  'The number of deals won divided by the number of deals won or lost, from 0 to 1.';
comment on column reporting.win_rates.won_value is 'The total value of the deals won.';
comment on column reporting.win_rates.lost_value is 'The total value of the deals lost.';
comment on column reporting.win_rates.won_days is
  'The total number of days from creation to winning of the deals won. Divided by won, it is their '
  'average.';
comment on column reporting.win_rates.average_cycle is
  'The average number of days from creation to winning of the deals won.';

grant select on reporting.win_rates to crm_reporter;
