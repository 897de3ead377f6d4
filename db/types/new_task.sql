do $type$
begin
  if to_regtype('crm.new_task') is null then
    create type crm.new_task as (
      description  text,
      due_date     date,
      assigned_to  text,
      status       text,
      external_ids crm.external_id[]
    );
  end if;
end
$type$;

comment on type crm.new_task is 'A task to create together with the entity that it is attached to.';

comment on column crm.new_task.description is 'What to do, at most 10,000 characters. Required.';
comment on column crm.new_task.due_date is 'The day on which the task is due.';
comment on column crm.new_task.assigned_to is 'The user to whom the task is assigned.';
comment on column crm.new_task.status is
  'The status of the task: open, which is the default, or closed.';
comment on column crm.new_task.external_ids is
  'The ids of the task in other systems. The default is none.';
