/* Customers. Read by analysts, with the owner's rights. */
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
  'Companies that have deals, with their won, lost and open deals, in the base currency. Deals in '
  'a currency that has no rate for the day have a separate row, in that currency.';
comment on column reporting.customers.company_id is 'The id of the company.';
comment on column reporting.customers.company is 'The name of the company.';
comment on column reporting.customers.owner_id is
  'The user who owns the company. Null if nobody does.';
comment on column reporting.customers.currency is
  'The currency of both values: the base currency, or that of deals without a rate.';
comment on column reporting.customers.won is 'The number of deals won with the company.';
comment on column reporting.customers.won_value is
  'The total value of won deals, at the rates of the days on which they were won.';
comment on column reporting.customers.first_won_on is 'The day on which the first deal was won.';
comment on column reporting.customers.last_won_on is 'The day on which the last deal was won.';
comment on column reporting.customers.lost is 'The number of deals lost with the company.';
comment on column reporting.customers.open_deals is 'The number of open deals with the company.';
comment on column reporting.customers.open_value is
  'The total value of open deals, at today''s rates.';

grant select on reporting.customers to crm_reporter;
