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

comment on type crm.new_task is 'A task to create with the entity that it is attached to.';

comment on column crm.new_task.description is 'Required.';
comment on column crm.new_task.due_date is 'The day by which it is to be done.';
comment on column crm.new_task.assigned_to is 'The user who is to do it.';
comment on column crm.new_task.status is 'open, if not given.';
comment on column crm.new_task.external_ids is 'None, if not given.';
