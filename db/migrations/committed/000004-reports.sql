--! Previous: sha1:6aeeb981b99ecd3540737f0375b75dbd7e74b5c2
--! Hash: sha1:1dfac1452da2676be199fa5ce28267f9313630e5
--! Message: reports

--! split: 1-current.sql
/*
 * Why: analysts ask the same questions of every CRM, and should not have to know its tables for them.
 * Locks: nothing but the catalog.
 * Undone by: revert/000004.sql.
 */

--! Included views/pipeline.sql
/* What is in each stage. Analysts read it with the rights of its owner. */
create or replace view reporting.pipeline as
  select
    stage.name                                                      as stage,
    stage.position,
    stage.kind,
    deal.currency,
    count(deal.id)                                                  as deals,
    coalesce(sum(deal.value), 0)                                    as value,
    coalesce(round(sum(deal.value * deal.probability / 100), 2), 0) as weighted_value
  from crm.pipeline_stages as stage
  left join crm.deals as deal on deal.stage = stage.name
  group by stage.id, deal.currency;

comment on view reporting.pipeline is
  'The deals of each stage, one row for each currency. A stage without deals has one row without a '
  'currency.';
comment on column reporting.pipeline.stage is 'The name of the stage.';
comment on column reporting.pipeline.position is 'Where the stage stands in the pipeline.';
comment on column reporting.pipeline.kind is 'open, won or lost.';
comment on column reporting.pipeline.currency is 'The currency of both values.';
comment on column reporting.pipeline.deals is 'How many deals are in the stage.';
comment on column reporting.pipeline.value is 'Their value.';
comment on column reporting.pipeline.weighted_value is
  'Their value, each multiplied by the probability of its deal.';

grant select on reporting.pipeline to crm_reporter;
--! EndIncluded views/pipeline.sql
--! Included views/forecast.sql
/* What open deals may bring. Analysts read it with the rights of its owner. */
create or replace view reporting.forecast as
  select
    date_trunc('month', deal.close_date::timestamp)::date as month,
    deal.currency,
    count(*)                                              as deals,
    sum(deal.value)                                       as value,
    round(sum(deal.value * deal.probability / 100), 2)    as weighted_value
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  where stage.kind = 'open'
  group by 1, 2;

comment on view reporting.forecast is
  'What open deals may bring, by the month in which they are to close and by currency. Months that '
  'are over hold what is late.';
comment on column reporting.forecast.month is
  'The first day of the month; null for deals without a close date.';
comment on column reporting.forecast.currency is 'The currency of both values.';
comment on column reporting.forecast.deals is 'How many open deals are to close in the month.';
comment on column reporting.forecast.value is 'Their value.';
comment on column reporting.forecast.weighted_value is
  'Their value, each multiplied by the probability of its deal: what is to be expected.';

grant select on reporting.forecast to crm_reporter;
--! EndIncluded views/forecast.sql
--! Included views/win_rates.sql
/* How many deals are won. Analysts read it with the rights of its owner. */
create or replace view reporting.win_rates as
  select
    date_trunc('month', deal.close_date::timestamp)::date            as month,
    deal.owner_id,
    deal.company_id,
    company.name                                                     as company,
    deal.currency,
    count(*) filter (where stage.kind = 'won')                       as won,
    count(*) filter (where stage.kind = 'lost')                      as lost,
    round(avg((stage.kind = 'won')::integer), 4)                     as win_rate,
    coalesce(sum(deal.value) filter (where stage.kind = 'won'), 0)   as won_value,
    coalesce(sum(deal.value) filter (where stage.kind = 'lost'), 0)  as lost_value,
    sum(cycle.days) filter (where stage.kind = 'won')                as won_days,
    round(avg(cycle.days) filter (where stage.kind = 'won'), 2)      as average_cycle
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  join crm.companies as company on company.id = deal.company_id
  cross join lateral (
    select deal.close_date - (deal.created_at at time zone 'UTC')::date
  ) as cycle (days)
  where stage.kind in ('won', 'lost')
  group by 1, 2, 3, 4, 5;

comment on view reporting.win_rates is
  'Deals won and lost, by month, owner, company and currency. For a total add up won and lost, and '
  'divide; rates of rows cannot be averaged.';
comment on column reporting.win_rates.month is
  'The first day of the month in which the deals closed; null for deals without a close date.';
comment on column reporting.win_rates.owner_id is
  'The user who owns the deals; null if nobody does.';
comment on column reporting.win_rates.company_id is 'The id of the company.';
comment on column reporting.win_rates.company is 'The name of the company.';
comment on column reporting.win_rates.currency is 'The currency of both values.';
comment on column reporting.win_rates.won is 'How many deals were won.';
comment on column reporting.win_rates.lost is 'How many deals were lost.';
comment on column reporting.win_rates.win_rate is
  'The share of deals won among those won or lost, from 0 to 1.';
comment on column reporting.win_rates.won_value is 'The value of the deals won.';
comment on column reporting.win_rates.lost_value is 'The value of the deals lost.';
comment on column reporting.win_rates.won_days is
  'The days from creation to close date of all deals won, added up: divided by won it is their '
  'average.';
comment on column reporting.win_rates.average_cycle is
  'The days from the creation of a deal to its close date, on average over the deals won. Below '
  'zero where deals were recorded after they had closed, as an import does.';

grant select on reporting.win_rates to crm_reporter;
--! EndIncluded views/win_rates.sql
--! Included views/stage_periods.sql
/*
 * The stages that deals were in, for analysts, who read the journal here with the rights of the
 * view's owner; crm.stage_history, which this resembles, asks for the rights of the caller.
 */
create or replace view reporting.stage_periods as
  select
    period.deal_id,
    deal.title                                             as deal,
    deal.owner_id,
    company.name                                           as company,
    period.stage,
    period.entered_at,
    period.left_at,
    round(
      extract(epoch from coalesce(period.left_at, now()) - period.entered_at)::numeric / 86400, 2
    )                                                      as days,
    period.entered_by
  from (
    select
      log.entity_id   as deal_id,
      log."timestamp" as entered_at,
      log.user_id     as entered_by,
      case log.action
        when 'create' then log.changes ->> 'stage'
        when 'update' then log.changes #>> '{stage,new}'
      end as stage,
      lead(log."timestamp") over (partition by log.entity_id order by log.id) as left_at
    from crm.audit_logs as log
    where log.entity_type = 'deal'
      and (log.action <> 'update' or log.changes ? 'stage')
  ) as period
  join crm.deals as deal on deal.id = period.deal_id
  join crm.companies as company on company.id = deal.company_id
  where period.stage is not null;

comment on view reporting.stage_periods is
  'The stages that deals were in, from when to when, as the journal has it. Deals that were '
  'deleted are left out.';
comment on column reporting.stage_periods.deal_id is 'The id of the deal.';
comment on column reporting.stage_periods.deal is 'Its title.';
comment on column reporting.stage_periods.owner_id is 'The user who owns it now.';
comment on column reporting.stage_periods.company is 'The name of its company.';
comment on column reporting.stage_periods.stage is 'The name of the stage, as it was then.';
comment on column reporting.stage_periods.entered_at is 'When the deal came into the stage.';
comment on column reporting.stage_periods.left_at is 'When it left; null if it is still there.';
comment on column reporting.stage_periods.days is
  'How many days it was there, or has been there until now.';
comment on column reporting.stage_periods.entered_by is 'The user who moved it there.';

grant select on reporting.stage_periods to crm_reporter;
--! EndIncluded views/stage_periods.sql
--! Included views/stage_conversion.sql
/* How far deals come. Analysts read it with the rights of its owner. */
create or replace view reporting.stage_conversion as
  with periods as materialized (
    select deal_id, stage, entered_at, left_at from reporting.stage_periods
  ),
  visits as (
    -- One row for each deal and stage, however often the deal was there.
    select
      period.deal_id,
      stage.id                             as stage_id,
      bool_or(period.left_at is null)      as is_present,
      max(stage.position)                  as position,
      max(max(stage.position)) filter (where stage.kind <> 'lost')
        over (partition by period.deal_id) as furthest
    from periods as period
    join crm.pipeline_stages as stage on stage.name = period.stage
    group by period.deal_id, stage.id
  ),
  deals as (
    select
      stage_id,
      count(*)                                    as entered,
      count(*) filter (where is_present)          as present,
      count(*) filter (where furthest > position) as advanced
    from visits
    group by stage_id
  ),
  stays as (
    select
      stage,
      avg(left_at - entered_at)                                         as average,
      percentile_cont(0.5) within group (order by left_at - entered_at) as median
    from periods
    where left_at is not null
    group by stage
  )

  select
    stage.name                                                   as stage,
    stage.position,
    stage.kind,
    coalesce(deals.entered, 0)                                   as entered,
    coalesce(deals.present, 0)                                   as present,
    coalesce(deals.advanced, 0)                                  as advanced,
    case stage.kind
      when 'open' then round(deals.advanced::numeric / deals.entered, 4)
    end                                                          as conversion_rate,
    round(extract(epoch from stays.average)::numeric / 86400, 2) as average_days,
    round(extract(epoch from stays.median)::numeric / 86400, 2)  as median_days
  from crm.pipeline_stages as stage
  left join deals on deals.stage_id = stage.id
  left join stays on stays.stage = stage.name;

comment on view reporting.stage_conversion is
  'How many deals come into each stage, how many of them get further, and how long they stay. '
  'Deals that were deleted are left out.';
comment on column reporting.stage_conversion.stage is 'The name of the stage.';
comment on column reporting.stage_conversion.position is 'Where the stage stands in the pipeline.';
comment on column reporting.stage_conversion.kind is 'open, won or lost.';
comment on column reporting.stage_conversion.entered is
  'How many deals were ever in the stage, since it has its name.';
comment on column reporting.stage_conversion.present is 'How many are there now.';
comment on column reporting.stage_conversion.advanced is
  'How many of those that entered came into a stage further on that is not lost.';
comment on column reporting.stage_conversion.conversion_rate is
  'advanced divided by entered, from 0 to 1; null if none entered, and where deals are won or '
  'lost.';
comment on column reporting.stage_conversion.average_days is
  'How many days deals stay in the stage, on average over the times that one left it.';
comment on column reporting.stage_conversion.median_days is
  'How many days deals stay in the stage: half of the times that one left it were shorter.';

grant select on reporting.stage_conversion to crm_reporter;
--! EndIncluded views/stage_conversion.sql
--! Included views/open_tasks.sql
/* What is to be done, by whom. Analysts read it with the rights of its owner. */
create or replace view reporting.open_tasks as
  select
    task.assigned_to,
    case
      when task.created_at > now() - interval '7 days' then 'up to 7 days'
      when task.created_at > now() - interval '30 days' then 'up to 30 days'
      when task.created_at > now() - interval '90 days' then 'up to 90 days'
      else 'over 90 days'
    end                                                               as age,
    count(*)                                                          as tasks,
    count(*) filter (
      where task.due_date < (now() at time zone 'UTC')::date
    )                                                                 as overdue,
    min(task.due_date)                                                as first_due,
    min(task.created_at)                                              as first_created_at
  from crm.tasks as task
  where task.status = 'open'
  group by 1, 2;

comment on view reporting.open_tasks is 'Open tasks by who is to do them and by their age.';
comment on column reporting.open_tasks.assigned_to is
  'The user who is to do them; null for those that nobody is assigned to.';
comment on column reporting.open_tasks.age is
  'The time since they were created: up to 7 days, up to 30 days, up to 90 days, or over 90 days.';
comment on column reporting.open_tasks.tasks is 'How many there are.';
comment on column reporting.open_tasks.overdue is 'How many of them were due before today, in UTC.';
comment on column reporting.open_tasks.first_due is
  'The earliest day that one is due; null if none has one.';
comment on column reporting.open_tasks.first_created_at is 'When the oldest of them was created.';

grant select on reporting.open_tasks to crm_reporter;
--! EndIncluded views/open_tasks.sql
--! Included views/activity.sql
/* Who does how much. Analysts read the journal here with the rights of the view's owner. */
create or replace view reporting.activity as
  select
    (log."timestamp" at time zone 'UTC')::date          as day,
    log.user_id,
    log.source,
    log.entity_type,
    count(*) filter (where log.action = 'create')       as created,
    count(*) filter (where log.action = 'update')       as updated,
    count(*) filter (where log.action = 'delete')       as deleted
  from crm.audit_logs as log
  where log.entity_type = any (array['contact', 'company', 'deal', 'task', 'note'])
    and log.action = any (array['create', 'update', 'delete'])
  group by 1, 2, 3, 4;

comment on view reporting.activity is
  'What each user created, changed and deleted on each day, as far back as the journal is kept.';
comment on column reporting.activity.day is 'The day, in UTC.';
comment on column reporting.activity.user_id is
  'Who did it: a user, key:<name> for an API key, db:<login> for a login of the database.';
comment on column reporting.activity.source is 'What it was done through: api, import or sql.';
comment on column reporting.activity.entity_type is 'contact, company, deal, task or note.';
comment on column reporting.activity.created is 'How many rows were created.';
comment on column reporting.activity.updated is 'How many times a row was changed.';
comment on column reporting.activity.deleted is 'How many rows were deleted.';

grant select on reporting.activity to crm_reporter;
--! EndIncluded views/activity.sql
--! Included views/new_contacts.sql
/* How many contacts come. Analysts read it with the rights of its owner. */
create or replace view reporting.new_contacts as
  select
    date_trunc('week', contact.created_at at time zone 'UTC')::date as week,
    contact.owner_id,
    count(*)                                                        as contacts,
    count(contact.company_id)                                       as with_company
  from crm.contacts as contact
  group by 1, 2;

comment on view reporting.new_contacts is
  'The contacts that were created in each week and are still there, by owner.';
comment on column reporting.new_contacts.week is 'The Monday of the week, in UTC.';
comment on column reporting.new_contacts.owner_id is 'The user who owns them; null if nobody does.';
comment on column reporting.new_contacts.contacts is 'How many there are.';
comment on column reporting.new_contacts.with_company is 'How many of them belong to a company.';

grant select on reporting.new_contacts to crm_reporter;
--! EndIncluded views/new_contacts.sql
--! Included views/data_quality.sql
/* What is missing or was forgotten. Analysts read it with the rights of its owner. */
create or replace view reporting.data_quality as
  select
    'contact without an email address'               as problem,
    'contact'                                        as entity_type,
    contact.id                                       as entity_id,
    contact.first_name || ' ' || contact.last_name   as label,
    contact.owner_id
  from crm.contacts as contact
  where contact.emails = '{}'

  union all

  select
    'contact without activity in 90 days',
    'contact',
    contact.id,
    contact.first_name || ' ' || contact.last_name,
    contact.owner_id
  from crm.contacts as contact
  where contact.updated_at < now() - interval '90 days'
    and not exists (
      select from crm.tasks as task
      where task.contact_id = contact.id and task.updated_at >= now() - interval '90 days'
    )
    and not exists (
      select from crm.notes as note
      where note.contact_id = contact.id and note.updated_at >= now() - interval '90 days'
    )
    and not exists (
      select from crm.deals as deal
      where deal.contact_id = contact.id and deal.updated_at >= now() - interval '90 days'
    )

  union all

  select
    case
      when deal.close_date is null then 'open deal without a close date'
      else 'open deal past its close date'
    end,
    'deal',
    deal.id,
    deal.title,
    deal.owner_id
  from crm.deals as deal
  join crm.pipeline_stages as stage on stage.name = deal.stage
  where stage.kind = 'open'
    and (deal.close_date is null or deal.close_date < (now() at time zone 'UTC')::date)

  union all

  select
    'open task past its due date',
    'task',
    task.id,
    task.description,
    task.assigned_to
  from crm.tasks as task
  where task.status = 'open'
    and task.due_date < (now() at time zone 'UTC')::date;

comment on view reporting.data_quality is
  'What is missing or was forgotten, one row for each problem of a row. More problems may come.';
comment on column reporting.data_quality.problem is
  'contact without an email address; contact without activity in 90 days, neither of its own nor '
  'of its tasks, notes and deals; open deal without a close date; open deal past its close date; '
  'open task past its due date.';
comment on column reporting.data_quality.entity_type is 'contact, deal or task.';
comment on column reporting.data_quality.entity_id is 'The id of the row.';
comment on column reporting.data_quality.label is 'What it is called.';
comment on column reporting.data_quality.owner_id is
  'The user who owns it, or is to do it; null if nobody does.';

grant select on reporting.data_quality to crm_reporter;
--! EndIncluded views/data_quality.sql
