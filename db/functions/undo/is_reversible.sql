/* Whether what was done to an entity of a type can be undone, and a deleted one be brought back. */
create or replace function crm_private.is_reversible(p_entity_type text)
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(p_entity_type = any (array[
    'contact', 'company', 'deal', 'task', 'note', 'custom_field_definition', 'pipeline_stage',
    'exchange_rate'
  ]), false);
$$;

comment on function crm_private.is_reversible(text) is
  'Whether what was done to an entity of a type can be undone.';

revoke all on function crm_private.is_reversible(text) from public;
