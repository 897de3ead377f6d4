/* New deals. Read by analysts, with the owner's rights. */
create or replace view reporting.new_deals as
  select
    date_trunc('month', deal.created_at at time zone clock.zone)::date as month,
    deal.owner_id,
    deal.currency,
    count(*)                                                           as deals,
    sum(deal.value)                                                    as value,
    count(*) filter (where stage.kind = 'won')                         as won,
    count(*) filter (where stage.kind = 'lost')                        as lost
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  cross join crm_private.clock as clock
  group by 1, 2, 3;

comment on view reporting.new_deals is
  'New deals and their outcome, by the month in which they were created, by owner and by currency. '
  'Deleted deals are left out.';
comment on column reporting.new_deals.month is 'The first day of the month.';
comment on column reporting.new_deals.owner_id is
  'The user who owns the deals. Null if nobody does.';
comment on column reporting.new_deals.currency is 'The currency of the value.';
comment on column reporting.new_deals.deals is 'The number of deals.';
comment on column reporting.new_deals.value is 'The total value of the deals.';
comment on column reporting.new_deals.won is 'The number of these deals that are won by now.';
comment on column reporting.new_deals.lost is 'The number of these deals that are lost by now.';

grant select on reporting.new_deals to crm_reporter;
