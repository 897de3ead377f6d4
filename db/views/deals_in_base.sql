/*
 * The deals with their values in the base currency, exact: reports round their sums. A closed deal is
 * converted at the rate of its close date, an open one at today's, and so is a closed one without a
 * date. Where there is no rate the value stays in its own currency, so that nothing is lost.
 *
 * The rates are looked up once for each currency and day, rather than for each deal.
 */
create or replace view crm_private.deals_in_base as
  select
    deal.id,
    deal.stage,
    stage.kind,
    deal.owner_id,
    deal.company_id,
    deal.probability,
    deal.close_date,
    deal.created_at,
    conversion.currency,
    deal.value * conversion.factor as value
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  join (
    select
      needed.currency                                                    as deal_currency,
      needed.day,
      case when dated.rate is null then needed.currency else setting.base_currency end as currency,
      coalesce(dated.rate, 1)                                            as factor
    from (
      select distinct
        deal.currency,
        case stage.kind
          when 'open' then (now() at time zone 'UTC')::date
          else coalesce(deal.close_date, (now() at time zone 'UTC')::date)
        end as day
      from crm.deals as deal
      join crm.pipeline_stages as stage on stage.name = deal.stage
    ) as needed
    cross join crm_private.settings as setting
    left join lateral (
      select exchange_rate.rate
      from crm.exchange_rates as exchange_rate
      where exchange_rate.currency = needed.currency
        and exchange_rate.valid_from <= needed.day
      order by exchange_rate.valid_from desc
      limit 1
    ) as dated on true
  ) as conversion
    on conversion.deal_currency = deal.currency
    and conversion.day = case stage.kind
      when 'open' then (now() at time zone 'UTC')::date
      else coalesce(deal.close_date, (now() at time zone 'UTC')::date)
    end;

comment on view crm_private.deals_in_base is
  'The deals with their values in the base currency, or in their own where there is no rate.';
