/* The values that a field of a row had: GraphQL's field fieldHistory. */
create or replace function crm.pipeline_stages_field_history(record crm.pipeline_stages, field text)
returns setof crm.field_value
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select history.* from crm.field_history('pipeline_stage', record.id, field) as history;
$$;

comment on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) is
  'Every value that a field had, the oldest first: from when to when, who set it, and through what.';

revoke all on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) from public;
grant execute on function crm.pipeline_stages_field_history(crm.pipeline_stages, text) to crm_reader;
