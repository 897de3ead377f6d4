/* Win rates, in the base currency. Read by analysts, with the owner's rights. */
create or replace view reporting.win_rates_in_base as
  select
    date_trunc('month', deal.closed_at at time zone deal.zone)::date              as month,
    deal.owner_id,
    deal.company_id,
    company.name                                                                  as company,
    conversion.converted_currency                                                 as currency,
    count(*) filter (where deal.kind = 'won')                                     as won,
    count(*) filter (where deal.kind = 'lost')                                    as lost,
    round(avg((deal.kind = 'won')::integer), 4)                                   as win_rate,
    coalesce(round(sum(converted.value) filter (where deal.kind = 'won'), 2), 0)  as won_value,
    coalesce(round(sum(converted.value) filter (where deal.kind = 'lost'), 2), 0) as lost_value,
    sum(cycle.days) filter (where deal.kind = 'won')                              as won_days,
    round(avg(cycle.days) filter (where deal.kind = 'won'), 2)                    as average_cycle
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  join crm.companies as company on company.id = deal.company_id
  cross join lateral (
    select (deal.closed_at at time zone deal.zone)::date - (deal.created_at at time zone deal.zone)::date
  ) as cycle (days)
  cross join lateral (select deal.value * conversion.factor) as converted (value)
  where deal.kind in ('won', 'lost')
  group by 1, 2, 3, 4, 5;

comment on view reporting.win_rates_in_base is
  'Deals won and lost in the base currency, by month, owner and company, at the rates of the days '
  'on which they closed. Deals in a currency that has no rate for the day have a separate row, in '
  'that currency. For a total rate, sum won and lost first, then divide; the rates of rows cannot '
  'be averaged.';
comment on column reporting.win_rates_in_base.month is
  'The first day of the month in which the deals were won or lost.';
comment on column reporting.win_rates_in_base.owner_id is
  'The user who owns the deals. Null if nobody does.';
comment on column reporting.win_rates_in_base.company_id is 'The id of the company.';
comment on column reporting.win_rates_in_base.company is 'The name of the company.';
comment on column reporting.win_rates_in_base.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.win_rates_in_base.won is 'The number of deals won.';
comment on column reporting.win_rates_in_base.lost is 'The number of deals lost.';
comment on column reporting.win_rates_in_base.win_rate is
  'The number of deals won divided by the number of deals won or lost, from 0 to 1.';
comment on column reporting.win_rates_in_base.won_value is 'The total value of the deals won.';
comment on column reporting.win_rates_in_base.lost_value is 'The total value of the deals lost.';
comment on column reporting.win_rates_in_base.won_days is
  'The total number of days from creation to winning of the deals won. Divided by won, it is their '
  'average.';
comment on column reporting.win_rates_in_base.average_cycle is
  'The average number of days from creation to winning of the deals won.';

grant select on reporting.win_rates_in_base to crm_reporter;
