/* Open deals, one by one. Read by analysts, with the owner's rights. */
create or replace view reporting.open_deals as
  select
    deal.id                                                          as deal_id,
    record.title                                                     as deal,
    deal.company_id,
    company.name                                                     as company,
    deal.owner_id,
    deal.stage,
    deal.probability,
    deal.value,
    deal.currency,
    case
      when conversion.converted_currency = setting.base_currency
      then round(deal.value * conversion.factor, 2)
    end                                                              as value_in_base,
    round(deal.value * deal.probability * 0.01, 2)                   as weighted_value,
    deal.close_date,
    case when deal.close_date < deal.day then deal.day - deal.close_date end as days_overdue,
    deal.day - (deal.created_at at time zone deal.zone)::date        as age_days,
    entered.at                                                       as stage_since,
    deal.day - (entered.at at time zone deal.zone)::date             as days_in_stage,
    touched.at                                                       as last_activity_at,
    deal.day - (touched.at at time zone deal.zone)::date             as idle_days,
    todo.due                                                         as next_task_due
  from crm_private.dated_deals as deal
  join crm_private.conversions as conversion
    on conversion.currency = deal.currency and conversion.day = deal.day
  cross join crm_private.settings as setting
  join crm.deals as record on record.id = deal.id
  join crm.companies as company on company.id = deal.company_id
  left join (
    select period.deal_id, max(period.entered_at) as at
    from reporting.stage_periods as period
    where period.left_at is null
    group by period.deal_id
  ) as entered on entered.deal_id = deal.id
  cross join lateral (
    select greatest(
      record.updated_at,
      (select max(task.updated_at) from crm.tasks as task where task.deal_id = deal.id),
      (select max(note.updated_at) from crm.notes as note where note.deal_id = deal.id)
    )
  ) as touched (at)
  left join lateral (
    select min(task.due_date)
    from crm.tasks as task
    where task.deal_id = deal.id and task.status = 'open'
  ) as todo (due) on true
  where deal.kind = 'open';

comment on view reporting.open_deals is
  'One row for each open deal, with its age, its time in the current stage, and its time without '
  'activity.';
comment on column reporting.open_deals.deal_id is 'The id of the deal.';
comment on column reporting.open_deals.deal is 'The title of the deal.';
comment on column reporting.open_deals.company_id is 'The id of the company.';
comment on column reporting.open_deals.company is 'The name of the company.';
comment on column reporting.open_deals.owner_id is
  'The user who owns the deal. Null if nobody does.';
comment on column reporting.open_deals.stage is 'The name of the stage.';
comment on column reporting.open_deals.probability is
  'The probability of winning the deal, in percent.';
comment on column reporting.open_deals.value is 'The value of the deal.';
comment on column reporting.open_deals.currency is
  'The currency of the value and the weighted value.';
comment on column reporting.open_deals.value_in_base is
  'The value in the base currency, at today''s rate. Null if there is no rate.';
comment on column reporting.open_deals.weighted_value is 'The value multiplied by the probability.';
comment on column reporting.open_deals.close_date is
  'The day on which the deal is expected to close, if any.';
comment on column reporting.open_deals.days_overdue is
  'The number of days since the expected close date. Null if it is not in the past.';
comment on column reporting.open_deals.age_days is 'The number of days since the deal was created.';
comment on column reporting.open_deals.stage_since is
  'When the deal entered its stage. Null if the audit log no longer records it.';
comment on column reporting.open_deals.days_in_stage is
  'The number of days since the deal entered its stage.';
comment on column reporting.open_deals.last_activity_at is
  'When the deal, or one of its tasks or notes, was last changed.';
comment on column reporting.open_deals.idle_days is 'The number of days since the last activity.';
comment on column reporting.open_deals.next_task_due is
  'The earliest due date of its open tasks. Null if there is none.';

grant select on reporting.open_deals to crm_reporter;
