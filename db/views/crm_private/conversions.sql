/*
 * By what deals are multiplied in reports in the base currency, for each currency and day that a deal has,
 * and which currency that gives. Where there is no rate it is the currency itself, by one, so that
 * nothing is lost.
 *
 * It is distinct twice: once to look a rate up for a currency and day rather than for each deal, and
 * once so that the planner leaves it at that.
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
  'By what deals of a currency and day are multiplied in reports in the base currency.';
