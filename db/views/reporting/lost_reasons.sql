/* The reasons why deals are lost. Read by analysts, with the owner's rights. */
create or replace view reporting.lost_reasons as
  select
    date_trunc('month', deal.closed_on::timestamp)::date    as month,
    deal.lost_reason,
    deal.owner_id,
    deal.currency,
    count(*)                                                as deals,
    sum(deal.value)                                         as value,
    case when bool_and(deal.value_in_base is not null) then sum(deal.value_in_base) end
      as value_in_base
  from reporting.closed_deals as deal
  where deal.outcome = 'lost'
  group by 1, 2, 3, 4;

comment on view reporting.lost_reasons is
  'Lost deals, by month, reason, owner and currency.';
comment on column reporting.lost_reasons.month is
  'The first day of the month in which the deals were lost.';
comment on column reporting.lost_reasons.lost_reason is
  'The reason. Null if none was given.';
comment on column reporting.lost_reasons.owner_id is
  'The user who owns the deals. Null if nobody does.';
comment on column reporting.lost_reasons.currency is 'The currency of the value.';
comment on column reporting.lost_reasons.deals is 'The number of deals lost.';
comment on column reporting.lost_reasons.value is 'The total value of these deals.';
comment on column reporting.lost_reasons.value_in_base is
  'The total value of these deals in the base currency, at the rates of the days on which they '
  'were lost. Null if a rate is missing.';

grant select on reporting.lost_reasons to crm_reporter;
