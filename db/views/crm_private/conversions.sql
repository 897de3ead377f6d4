/*
 * The factor by which reports convert deals into the base currency, and the resulting currency, for
 * each currency and day of a deal. Without a rate, the currency remains and the factor is one, so
 * that reports lose no deal.
 *
 * distinct is applied twice: the inner one looks up a rate for each currency and day instead of
 * each deal, and the outer one keeps the planner from undoing that.
 */
create or replace view crm_private.conversions as
  select distinct on (needed.currency, needed.day)
    needed.currency,
    needed.day,
    case when dated.rate is null then needed.currency else setting.base_currency end
      as converted_currency,
    coalesce(dated.rate, 1) as factor
  from (select distinct currency, day from crm_private.dated_deals) as needed
  cross join crm_private.settings as setting
  left join lateral (
    select exchange_rate.rate
    from crm.exchange_rates as exchange_rate
    where exchange_rate.currency = needed.currency
      and exchange_rate.valid_from <= needed.day
    order by exchange_rate.valid_from desc
    limit 1
  ) as dated on true;

comment on view crm_private.conversions is
  'The factor by which reports convert a deal of a currency and a day into the base currency.';
