/* Open tasks of each user. Read by analysts, with the owner's rights. */
create or replace view reporting.open_tasks as
  select
    task.assigned_to,
    case
      when task.created_at > now() - interval '7 days' then 'up to 7 days'
      when task.created_at > now() - interval '30 days' then 'up to 30 days'
      when task.created_at > now() - interval '90 days' then 'up to 90 days'
      else 'over 90 days'
    end                                                     as age,
    count(*)                                                as tasks,
    count(*) filter (where task.due_date < clock.today)     as overdue,
    min(task.due_date)                                      as first_due,
    min(task.created_at)                                    as first_created_at
  from crm.tasks as task
  cross join crm_private.clock as clock
  where task.status = 'open'
  group by 1, 2;

comment on view reporting.open_tasks is
  'Open tasks, by the user to whom they are assigned and by age.';
comment on column reporting.open_tasks.assigned_to is
  'The user to whom the tasks are assigned. Null for unassigned tasks.';
comment on column reporting.open_tasks.age is
  'The time since the tasks were created: up to 7 days, up to 30 days, up to 90 days, or over 90 '
  'days.';
comment on column reporting.open_tasks.tasks is 'The number of tasks.';
comment on column reporting.open_tasks.overdue is 'The number of tasks that were due before today.';
comment on column reporting.open_tasks.first_due is
  'The earliest due date. Null if no task has one.';
comment on column reporting.open_tasks.first_created_at is 'When the oldest task was created.';

grant select on reporting.open_tasks to crm_reporter;
