/* Every task. Analysts read it with the rights of its owner. */
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
comment on column reporting.tasks.description is 'What is to be done.';
comment on column reporting.tasks.status is 'open or closed.';
comment on column reporting.tasks.due_date is 'The day by which it is to be done.';
comment on column reporting.tasks.assigned_to is 'The user who is to do it.';
comment on column reporting.tasks.entity_type is 'What it is about: contact, company or deal.';
comment on column reporting.tasks.entity_id is 'The id of what it is about.';
comment on column reporting.tasks.entity is
  'The name of the contact or company, the title of the deal.';
comment on column reporting.tasks.created_at is 'When the task was created.';
comment on column reporting.tasks.created_by is 'Who created it.';
comment on column reporting.tasks.updated_at is 'When it was changed last.';
comment on column reporting.tasks.updated_by is 'Who changed it last.';

grant select on reporting.tasks to crm_reporter;
