/* Deals that slip. Read by analysts, with the owner's rights. */
create or replace view reporting.close_date_changes as
  select
    deal.id            as deal_id,
    deal.title         as deal,
    company.name       as company,
    deal.owner_id,
    log."timestamp"    as changed_at,
    log.user_id        as changed_by,
    told.old_date,
    told.new_date,
    told.new_date - told.old_date as days
  from crm.audit_logs as log
  join crm.deals as deal on deal.id = log.entity_id
  join crm.companies as company on company.id = deal.company_id
  cross join lateral (
    select
      (log.changes #>> '{close_date,old}')::date as old_date,
      (log.changes #>> '{close_date,new}')::date as new_date
  ) as told
  where log.entity_type = 'deal'
    and log.action = 'update'
    -- Repeats the condition of the index audit_logs_deals, so that the planner can use it.
    and (
      log.action <> 'update'
      or log.changes ?| array[
        'stage', 'value', 'currency', 'probability', 'close_date', 'owner_id', 'company_id'
      ]
    )
    and log.changes ? 'close_date';

comment on view reporting.close_date_changes is
  'Every change of the expected close date of a deal. Deleted deals are left out.';
comment on column reporting.close_date_changes.deal_id is 'The id of the deal.';
comment on column reporting.close_date_changes.deal is 'The title of the deal.';
comment on column reporting.close_date_changes.company is 'The name of the company.';
comment on column reporting.close_date_changes.owner_id is 'The user who owns the deal now.';
comment on column reporting.close_date_changes.changed_at is 'When the date was changed.';
comment on column reporting.close_date_changes.changed_by is 'The user who changed the date.';
comment on column reporting.close_date_changes.old_date is
  'The expected close date before the change. Null if there was none.';
comment on column reporting.close_date_changes.new_date is
  'The expected close date after the change. Null if it was removed.';
comment on column reporting.close_date_changes.days is
  'The number of days by which the date was postponed; negative if it was brought forward.';

grant select on reporting.close_date_changes to crm_reporter;
