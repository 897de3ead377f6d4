/*
 * Creates a deal and its first tasks in one transaction. A fault of a task refuses the deal too,
 * and the error names the task by its position: tasks.1.description. Faults of the deal have the
 * plain names of its fields. The columns are read from the catalog, so a column that is added to
 * the table and to the type is written. Runs with the caller's rights, which must include creating
 * deals and tasks.
 */
create or replace function crm.create_deal_with_tasks(deal crm.new_deal, tasks crm.new_task[])
returns crm.deals
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements contain the names of columns. The checker cannot see what they return.
-- @plpgsql_check_options: security_warnings = off, other_warnings = off
declare
  v_deal crm.deals;
begin
  execute (
    select format(
      'insert into crm.deals (%s)
       select %s from jsonb_populate_record(null::crm.deals, $1) as input
       returning *',
      string_agg(quote_ident(name), ', '),
      string_agg('input.' || quote_ident(name), ', ')
    )
    from unnest(crm_private.written_columns('crm.deals', 'insert')) as name
  )
  into v_deal
  using crm_private.column_defaults('crm.deals')
    || crm_private.resolve_row('deal', 'create', crm_private.non_null_members(to_jsonb(deal)));

  -- Rows are formed and validated one after the other: crm.path has the place of the next one.
  execute (
    select format(
      'insert into crm.tasks (%s)
       select %s
       from unnest($1) with ordinality as task (item, ordinal)
       cross join lateral jsonb_populate_record(null::crm.tasks, $2 || task.item) as input
       where set_config(''crm.path'', ''tasks.'' || (task.ordinal - 1), true) is not null',
      string_agg(quote_ident(name), ', '),
      string_agg('input.' || quote_ident(name), ', ')
    )
    from unnest(crm_private.written_columns('crm.tasks', 'insert')) as name
  )
  using
    array(
      select crm_private.non_null_members(to_jsonb(tasks[place]))
      from generate_subscripts(tasks, 1) as place
      order by place
    ),
    crm_private.column_defaults('crm.tasks')
      || jsonb_build_object('entity_type', 'deal', 'entity_id', v_deal.id);

  perform set_config('crm.path', '', true);

  return v_deal;
end
$$;

comment on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) is
  'Creates a deal together with its first tasks. If a task is faulty, nothing is created.';

revoke all on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) from public;
grant execute on function crm.create_deal_with_tasks(crm.new_deal, crm.new_task[]) to crm_member;
