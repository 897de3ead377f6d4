/* Changes in the value of deals. Read by analysts, with the owner's rights. */
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
  -- A field that the entry does not change is read from its next change, or else from the deal.
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
    -- Repeats the condition of the index audit_logs_deals, so that the planner can use it.
    and (
      log.action <> 'update'
      or log.changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    )
    and log.changes ?| array['value', 'currency'];

comment on view reporting.value_changes is
  'Every change of the value of a deal or of its currency. Deleted deals are left out.';
comment on column reporting.value_changes.deal_id is 'The id of the deal.';
comment on column reporting.value_changes.deal is 'The title of the deal.';
comment on column reporting.value_changes.company is 'The name of the company.';
comment on column reporting.value_changes.owner_id is 'The user who owns the deal now.';
comment on column reporting.value_changes.changed_at is
  'When the value or the currency was changed.';
comment on column reporting.value_changes.changed_by is 'The user who made the change.';
comment on column reporting.value_changes.old_value is 'The value before the change.';
comment on column reporting.value_changes.old_currency is 'The currency before the change.';
comment on column reporting.value_changes.new_value is 'The value after the change.';
comment on column reporting.value_changes.new_currency is 'The currency after the change.';
comment on column reporting.value_changes.change is
  'The new value minus the old value. Null if the currency changed.';
comment on column reporting.value_changes.change_in_base is
  'The change in the base currency, at the rates of the day. Null if a rate is missing.';

grant select on reporting.value_changes to crm_reporter;
