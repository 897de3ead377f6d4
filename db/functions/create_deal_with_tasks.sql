/*
 * A deal and its first tasks, all or nothing. A fault of a task refuses the deal too, and is named
 * by which task it is: tasks.1.description. The deal's fields have their names alone.
 * Runs with the caller's rights: whoever may create deals and tasks may call it.
 */
create or replace function crm.create_deal_with_tasks(deal crm.new_deal, tasks crm.new_task[])
returns crm.deals
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deal crm.deals;
begin
  insert into crm.deals (
    title, company_id, contact_id, value, currency, stage, probability, close_date, owner_id,
    custom_fields, external_ids
  )
  values (
    deal.title, deal.company_id, deal.contact_id, deal.value, coalesce(deal.currency, 'USD'),
    deal.stage, deal.probability, deal.close_date, deal.owner_id,
    coalesce(deal.custom_fields, '{}'), coalesce(deal.external_ids, '{}')
  )
  returning * into v_deal;

  insert into crm.tasks (
    description, due_date, assigned_to, status, entity_type, entity_id, external_ids
  )
  select
    task.description, task.due_date, task.assigned_to, coalesce(task.status, 'open'),
    'deal', v_deal.id, coalesce(task.external_ids, '{}')
  from unnest(tasks) with ordinality as task (
    description, due_date, assigned_to, status, external_ids, ordinal
  )
  -- Rows are made and validated one after the other: this says which one the next is.
  where set_config('crm.path', 'tasks.' || (task.ordinal - 1), true) is not null;

  perform set_config('crm.path', '', true);

  return v_deal;
end
$$;

comment on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) is
  'Creates a deal together with its tasks: all of them, or nothing.';

revoke all on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) from public;
grant execute on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) to crm_member;
