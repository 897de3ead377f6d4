/* Whether what was done to an entity of a type can be undone, and a deleted one be brought back. */
create or replace function crm_private.is_reversible(p_entity_type text)
returns boolean
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from crm_private.entity_types
    where entity_type = p_entity_type and restore_order is not null
  );
$$;

comment on function crm_private.is_reversible(text) is
  'Whether what was done to an entity of a type can be undone.';

revoke all on function crm_private.is_reversible(text) from public;
