/* Every task. Read by analysts, with the owner's rights. */
create or replace view reporting.tasks as
  select
    task.id,
    task.description,
    task.status,
    task.due_date,
    task.assigned_to,
    task.entity_type,
    task.entity_id,
    coalesce(contact.first_name || ' ' || contact.last_name, company.name, deal.title) as entity,
    task.created_at,
    task.created_by,
    task.updated_at,
    task.updated_by
  from crm.tasks as task
  left join crm.contacts as contact on contact.id = task.contact_id
  left join crm.companies as company on company.id = task.company_id
  left join crm.deals as deal on deal.id = task.deal_id;

comment on view reporting.tasks is 'One row for each task.';
comment on column reporting.tasks.id is 'The id of the task.';
comment on column reporting.tasks.description is 'What to do.';
comment on column reporting.tasks.status is 'The status of the task: open or closed.';
comment on column reporting.tasks.due_date is 'The day on which the task is due.';
comment on column reporting.tasks.assigned_to is 'The user to whom the task is assigned.';
comment on column reporting.tasks.entity_type is
  'The type of the entity that the task is attached to: contact, company or deal.';
comment on column reporting.tasks.entity_id is 'The id of the entity that the task is attached to.';
comment on column reporting.tasks.entity is
  'The name of the contact or company, or the title of the deal.';
comment on column reporting.tasks.created_at is 'When the task was created.';
comment on column reporting.tasks.created_by is 'The user who created the task.';
comment on column reporting.tasks.updated_at is 'When the task was last changed.';
comment on column reporting.tasks.updated_by is 'The user who last changed the task.';

grant select on reporting.tasks to crm_reporter;
