/* Won and lost deals, one by one. Read by analysts, with the owner's rights. */
create or replace view reporting.closed_deals as
  select
    deal.id                                                      as deal_id,
    record.title                                                 as deal,
    deal.company_id,
    company.name                                                 as company,
    deal.owner_id,
    deal.stage,
    deal.kind                                                    as outcome,
    deal.day                                                     as closed_on,
    deal.closed_at,
    deal.value,
    deal.currency,
    case
      when conversion.converted_currency = setting.base_currency
      then round(deal.value * conversion.factor, 2)
    end                                                          as value_in_base,
    record.lost_reason,
    deal.day - (deal.created_at at time zone deal.zone)::date    as cycle_days,
    deal.close_date                                              as expected_on,
    deal.day - deal.close_date                                   as days_late
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  cross join crm_private.settings as setting
  join crm.deals as record on record.id = deal.id
  join crm.companies as company on company.id = deal.company_id
  where deal.kind <> 'open';

comment on view reporting.closed_deals is
  'One row for each won or lost deal.';
comment on column reporting.closed_deals.deal_id is 'The id of the deal.';
comment on column reporting.closed_deals.deal is 'The title of the deal.';
comment on column reporting.closed_deals.company_id is 'The id of the company.';
comment on column reporting.closed_deals.company is 'The name of the company.';
comment on column reporting.closed_deals.owner_id is
  'The user who owns the deal. Null if nobody does.';
comment on column reporting.closed_deals.stage is 'The name of the stage.';
comment on column reporting.closed_deals.outcome is 'The outcome: won or lost.';
comment on column reporting.closed_deals.closed_on is 'The day on which the deal was won or lost.';
comment on column reporting.closed_deals.closed_at is 'The time at which the deal was won or lost.';
comment on column reporting.closed_deals.value is 'The value of the deal.';
comment on column reporting.closed_deals.currency is 'The currency of the value.';
comment on column reporting.closed_deals.value_in_base is
  'The value in the base currency, at the rate of the day. Null if there was no rate.';
comment on column reporting.closed_deals.lost_reason is
  'Why the deal was lost, if a reason was given.';
comment on column reporting.closed_deals.cycle_days is
  'The number of days from the creation of the deal until it closed.';
comment on column reporting.closed_deals.expected_on is
  'The last expected close date, if any.';
comment on column reporting.closed_deals.days_late is
  'The number of days from the expected close date until the deal closed; negative if it closed '
  'earlier.';

grant select on reporting.closed_deals to crm_reporter;
