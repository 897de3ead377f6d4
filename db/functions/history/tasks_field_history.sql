/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.tasks_field_history(record crm.tasks, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select history.* from crm.field_history('task', record.id, field) as history;
$$;

comment on function crm.tasks_field_history(crm.tasks, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.tasks_field_history(crm.tasks, text) from public;
grant execute on function crm.tasks_field_history(crm.tasks, text) to crm_reader;
