/*
 * The task that carries an external id, by the key of crm_private.external_ids.
 */
create or replace function crm.task_by_external_id(source text, id text)
returns crm.tasks
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select record.*
  from crm_private.external_ids as held
  join crm.tasks as record on record.id = held.entity_id
  where held.entity_type = 'task'
    and held.source = task_by_external_id.source
    and held.id = task_by_external_id.id;
$$;

comment on function crm.task_by_external_id(text, text) is
  'The task that carries an external id; null if none does.';

revoke all on function crm.task_by_external_id(text, text) from public;
grant execute on function crm.task_by_external_id(text, text) to crm_reader;
