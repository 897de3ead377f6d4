/* What deals gain and lose. Analysts read it with the rights of its owner. */
create or replace view reporting.value_changes as
  select
    deal.id            as deal_id,
    deal.title         as deal,
    company.name       as company,
    deal.owner_id,
    log."timestamp"    as changed_at,
    log.user_id        as changed_by,
    was.value          as old_value,
    was.currency       as old_currency,
    became.value       as new_value,
    became.currency    as new_currency,
    case when was.currency = became.currency then became.value - was.value end as change,
    round(
      became.value * became_rate.factor - was.value * was_rate.factor, 2
    )                  as change_in_base
  from crm.audit_logs as log
  join crm.deals as deal on deal.id = log.entity_id
  join crm.companies as company on company.id = deal.company_id
  cross join crm_private.clock as clock
  cross join crm_private.settings as setting
  -- What a change leaves as it is, the next change of it tells, or the deal.
  cross join lateral (
    select
      coalesce(
        log.changes #>> '{value,new}',
        (
          select later.changes #>> '{value,old}'
          from crm.audit_logs as later
          where later.entity_id = log.entity_id
            and later.entity_type = 'deal'
            and later.action = 'update'
            and later.id > log.id
            and later.changes ? 'value'
          order by later.id
          limit 1
        ),
        deal.value::text
      )::numeric as value,
      coalesce(
        log.changes #>> '{currency,new}',
        (
          select later.changes #>> '{currency,old}'
          from crm.audit_logs as later
          where later.entity_id = log.entity_id
            and later.entity_type = 'deal'
            and later.action = 'update'
            and later.id > log.id
            and later.changes ? 'currency'
          order by later.id
          limit 1
        ),
        deal.currency
      ) as currency
  ) as became
  cross join lateral (
    select
      coalesce((log.changes #>> '{value,old}')::numeric, became.value) as value,
      coalesce(log.changes #>> '{currency,old}', became.currency)      as currency,
      (log."timestamp" at time zone clock.zone)::date                  as day
  ) as was
  cross join lateral (
    select case
      when was.currency = setting.base_currency then 1
      else (
        select exchange_rate.rate
        from crm.exchange_rates as exchange_rate
        where exchange_rate.currency = was.currency and exchange_rate.valid_from <= was.day
        order by exchange_rate.valid_from desc
        limit 1
      )
    end
  ) as was_rate (factor)
  cross join lateral (
    select case
      when became.currency = setting.base_currency then 1
      else (
        select exchange_rate.rate
        from crm.exchange_rates as exchange_rate
        where exchange_rate.currency = became.currency and exchange_rate.valid_from <= was.day
        order by exchange_rate.valid_from desc
        limit 1
      )
    end
  ) as became_rate (factor)
  where log.entity_type = 'deal'
    and log.action = 'update'
    -- What the index of deals' entries asks.
    and (
      log.action <> 'update'
      or log.changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    )
    and log.changes ?| array['value', 'currency'];

comment on view reporting.value_changes is
  'Every time that the value of a deal, or its currency, was changed. Deals that were deleted are left '
  'out.';
comment on column reporting.value_changes.deal_id is 'The id of the deal.';
comment on column reporting.value_changes.deal is 'Its title.';
comment on column reporting.value_changes.company is 'The name of its company.';
comment on column reporting.value_changes.owner_id is 'The user who owns it now.';
comment on column reporting.value_changes.changed_at is 'When it was changed.';
comment on column reporting.value_changes.changed_by is 'The user who changed it.';
comment on column reporting.value_changes.old_value is 'The value before the change.';
comment on column reporting.value_changes.old_currency is 'The currency before it.';
comment on column reporting.value_changes.new_value is 'The value after it.';
comment on column reporting.value_changes.new_currency is 'The currency after it.';
comment on column reporting.value_changes.change is
  'What the deal gained by it, below zero what it lost; null where the currency is another.';
comment on column reporting.value_changes.change_in_base is
  'The same in the base currency, at the rates of the day; null where there was none.';

grant select on reporting.value_changes to crm_reporter;
