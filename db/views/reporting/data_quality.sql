/* Missing and overdue data. Read by analysts, with the owner's rights. */
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
  cross join crm_private.clock as clock
  where stage.kind = 'open'
    and (deal.close_date is null or deal.close_date < clock.today)

  union all

  select
    'open task past its due date',
    'task',
    task.id,
    task.description,
    task.assigned_to
  from crm.tasks as task
  cross join crm_private.clock as clock
  where task.status = 'open'
    and task.due_date < clock.today;

comment on view reporting.data_quality is
  'Missing and overdue data, one row for each problem of an entity. Later versions may add '
  'problems.';
comment on column reporting.data_quality.problem is
  'The problem: contact without an email address; contact without activity in 90 days, neither of '
  'its own nor of its tasks, notes and deals; open deal without a close date; open deal past its '
  'close date; open task past its due date.';
comment on column reporting.data_quality.entity_type is
  'The type of the entity: contact, deal or task.';
comment on column reporting.data_quality.entity_id is 'The id of the entity.';
comment on column reporting.data_quality.label is 'The name, title or description of the entity.';
comment on column reporting.data_quality.owner_id is
  'The user who owns the entity, or to whom the task is assigned. Null if there is none.';

grant select on reporting.data_quality to crm_reporter;
