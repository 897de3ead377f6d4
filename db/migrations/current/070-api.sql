/*
 * Why: functions that clients call, and what the server asks of its own database.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql.
 */

--!include functions/contacts_history.sql
--!include functions/companies_history.sql
--!include functions/deals_history.sql
--!include functions/tasks_history.sql
--!include functions/notes_history.sql
--!include functions/custom_field_definitions_history.sql
--!include functions/pipeline_stages_history.sql

create type crm.new_deal as (
  title         text,
  company_id    uuid,
  contact_id    uuid,
  value         numeric,
  currency      text,
  stage         text,
  probability   integer,
  close_date    date,
  owner_id      text,
  custom_fields jsonb
);

comment on type crm.new_deal is 'A deal to create: what a client may say of it.';
comment on column crm.new_deal.title is 'Required.';
comment on column crm.new_deal.company_id is 'Required.';
comment on column crm.new_deal.value is 'Required: at most two decimals.';
comment on column crm.new_deal.currency is 'USD, if not given.';
comment on column crm.new_deal.stage is 'Required: the name of a pipeline stage.';
comment on column crm.new_deal.probability is 'That of the stage, if not given.';
comment on column crm.new_deal.custom_fields is 'None, if not given.';

create type crm.new_task as (
  description text,
  due_date    date,
  assigned_to text,
  status      text
);

comment on type crm.new_task is 'A task to create with the entity that it is attached to.';
comment on column crm.new_task.description is 'Required.';
comment on column crm.new_task.status is 'open, if not given.';

--!include functions/create_deal_with_tasks.sql
--!include functions/applied_migrations.sql
