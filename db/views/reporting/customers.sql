/* Who buys. Analysts read it with the rights of its owner. */
create or replace view reporting.customers as
  select
    deal.company_id,
    company.name                                                    as company,
    company.owner_id,
    conversion.converted_currency                                   as currency,
    count(*) filter (where deal.kind = 'won')                       as won,
    coalesce(
      round(sum(deal.value * conversion.factor) filter (where deal.kind = 'won'), 2), 0
    )                                                               as won_value,
    min(deal.day) filter (where deal.kind = 'won')                  as first_won_on,
    max(deal.day) filter (where deal.kind = 'won')                  as last_won_on,
    count(*) filter (where deal.kind = 'lost')                      as lost,
    count(*) filter (where deal.kind = 'open')                      as open_deals,
    coalesce(
      round(sum(deal.value * conversion.factor) filter (where deal.kind = 'open'), 2), 0
    )                                                               as open_value
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  join crm.companies as company on company.id = deal.company_id
  group by deal.company_id, company.name, company.owner_id, conversion.converted_currency;

comment on view reporting.customers is
  'Companies that have deals, with what they bought and may buy, in the base currency. Deals of a '
  'currency that has no rate for the day have a row of their own, in that currency.';
comment on column reporting.customers.company_id is 'The id of the company.';
comment on column reporting.customers.company is 'Its name.';
comment on column reporting.customers.owner_id is
  'The user who owns the company; null if nobody does.';
comment on column reporting.customers.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.customers.won is 'How many deals with it were won.';
comment on column reporting.customers.won_value is
  'Their value, at the rates of the days on which they were won.';
comment on column reporting.customers.first_won_on is 'The day on which the first of them was won.';
comment on column reporting.customers.last_won_on is 'The day on which the last of them was won.';
comment on column reporting.customers.lost is 'How many deals with it were lost.';
comment on column reporting.customers.open_deals is 'How many deals with it are open.';
comment on column reporting.customers.open_value is 'Their value, at the rates of today.';

grant select on reporting.customers to crm_reporter;
